"""Documents and words in SQLite. Not in WAL mode (decision 0009).

A document's number is its row in the file of vectors and its label in the graph. It is never
used twice: a document that changes gets a new one, so nothing is ever overwritten that an
interrupted change may still need.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_services.memory.engine import Document, EngineDamaged, EngineMismatch, Filters

SCHEMA = 1
# Scoring costs about two microseconds a row: words that more rows have than this do not rank
# when rarer words do. Where fewer documents are, every word ranks.
MOST_RANKED = 2000
# What a word that does not rank adds: as much as FTS5 gives a word that most documents have.
TOO_COMMON = 1e-6
_CHECKED_ROWS = 50_000
# From here on FTS5 can leave nothing behind of what it removes.
_SECURE_DELETE = (3, 42, 0)
_REMEMBERED_WORDS = 10_000
_WEIGHTS = "2.0, 1.0, 2.0, 0.5"
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL, text TEXT NOT NULL, labels TEXT NOT NULL, source TEXT,
    tags TEXT NOT NULL, created REAL NOT NULL, strength REAL NOT NULL,
    sum INTEGER
);
CREATE TABLE tags (
    tag TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (tag, number)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, labels, source, content = 'documents', content_rowid = 'number',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
_WORDS = "title, text, labels, source"


@dataclass(frozen=True, slots=True)
class Row:
    """A document to write; `sum` is its vector's checksum, None without a vector."""

    document: Document
    sum: int | None


class Database:
    """Every method may raise sqlite3.Error."""

    def __init__(self, path: Path, dimension: int, model: str) -> None:
        """Open or make it. Raises EngineDamaged and EngineMismatch."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._counts: dict[str, int] = {}
        self._count: int | None = None
        self._counted = 0
        self._clean = False
        try:
            self.run("PRAGMA journal_mode = TRUNCATE")
            # Each commit is flushed all the same; what a power cut might still harm is noticed
            # when the index is opened, and it can be filled anew.
            self.run("PRAGMA synchronous = NORMAL")
            self.run("PRAGMA secure_delete = ON")
            self.run("PRAGMA cache_size = -32768")
            self._prepare({"dimension": str(dimension), "model": model})
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, wanted: Mapping[str, str]) -> None:
        version = self.value("PRAGMA user_version")
        if version == 0 and self.value("SELECT count(*) FROM sqlite_master") == 0:
            self._connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;"
            )
            if sqlite3.sqlite_version_info >= _SECURE_DELETE:
                self.run("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")
            for name, value in wanted.items():
                self.set_fact(name, value)
        elif version != SCHEMA:
            raise EngineMismatch(f"the index has layout {version}, wanted is {SCHEMA}")
        for name, value in wanted.items():
            if self.fact(name) != value:
                raise EngineMismatch(f"the index has {name} {self.fact(name)}, wanted is {value}")
        if self.fact("clean") != "1" or self.count() <= _CHECKED_ROWS:
            said = self.value("PRAGMA quick_check(1)")
            if said != "ok":
                raise EngineDamaged(f"the index is damaged: {said}")
        self._clean = self.fact("clean") == "1"

    def close(self) -> None:
        """Close it; it says from then on that it was closed in order."""
        # On a full or broken disk the next opening looks at everything.
        with contextlib.suppress(sqlite3.Error):
            if not self._clean and not self._connection.in_transaction:
                self.set_fact("clean", "1")
        self._connection.close()

    def abandon(self) -> None:
        """Close it without a word."""
        self._connection.close()

    def begin(self) -> None:
        """Begin a change."""
        if self._clean:
            self.set_fact("clean", "0")
            self._clean = False
        self.run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the change count, durably."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Forget the change."""
        self._count = None
        if self._connection.in_transaction:
            self.run("ROLLBACK")

    def fact(self, name: str) -> str | None:
        """What is noted under a name."""
        row = self.run("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Note something."""
        self.run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))

    def put(self, row: Row) -> tuple[int, int | None]:
        """Add a document in place of the one with its id: its number, and the one before."""
        before = self.remove(row.document.id)
        one = row.document
        labels = " ".join(one.tags)
        number = self.run(
            "INSERT INTO documents (id, title, text, labels, source, tags, created, strength, sum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(one.id, one.title, one.text, labels, one.source, json.dumps(one.tags)),
                *(one.created, one.strength, row.sum),
            ),
        ).lastrowid
        assert number is not None  # noqa: S101 (an INSERT has one)
        self.run(
            f"INSERT INTO words (rowid, {_WORDS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            (number, one.title, one.text, labels, one.source),
        )
        if self._count is not None:
            self._count += 1
        rows = [(tag, number) for tag in dict.fromkeys(one.tags)]
        self._connection.executemany("INSERT INTO tags (tag, number) VALUES (?, ?)", rows)
        return number, before

    def remove(self, name: str) -> int | None:
        """Remove a document by its id; the number that it had."""
        old = self.run(
            f"SELECT number, {_WORDS}, tags FROM documents WHERE id = ?",  # noqa: S608
            (name,),
        ).fetchone()
        if old is None:
            return None
        self.run(
            f"INSERT INTO words (words, rowid, {_WORDS}) VALUES ('delete', ?, ?, ?, ?, ?)",  # noqa: S608
            old[:5],
        )
        for tag in json.loads(old[5]):
            self.run("DELETE FROM tags WHERE tag = ? AND number = ?", (tag, old[0]))
        self.run("DELETE FROM documents WHERE number = ?", (old[0],))
        if self._count is not None:
            self._count -= 1
        return int(old[0])

    def scrub(self) -> None:
        """Leave nothing of removed documents in the file: FTS5 keeps their words for a while."""
        self.run("INSERT INTO words (words) VALUES ('optimize')")

    def set_strength(self, strengths: Mapping[str, float]) -> None:
        """Change strengths by id."""
        self._connection.executemany(
            "UPDATE documents SET strength = ? WHERE id = ?",
            [(strength, name) for name, strength in strengths.items()],
        )

    def by_words(
        self, words: Sequence[str], filters: Filters, limit: int
    ) -> list[tuple[int, float]]:
        """Numbers and BM25 of documents with any of the words, equal ones at the end included."""
        ranking, rest = self._ranking(words)
        rows = self._ranked(ranking, filters) if ranking else []
        rows.sort(key=lambda row: -row[1])
        if len(rows) > limit:
            least = rows[limit - 1][1]
            return [row for row in rows if row[1] >= least]
        if rest and len(rows) < limit:
            # They tell too little to be ranked by: the newest documents that have one.
            where, values = conditions(filters)
            found = self.run(
                "SELECT number FROM words JOIN documents ON number = words.rowid"  # noqa: S608
                f" WHERE words MATCH ? {where} ORDER BY words.rowid DESC LIMIT ?",
                (_any(rest), *values, limit + len(rows)),
            )
            have = {number for number, _ in rows}
            new = [number for (number,) in found if number not in have]
            rows += [(number, TOO_COMMON) for number in new[: limit - len(rows)]]
        return rows

    def _ranked(self, words: Sequence[str], filters: Filters) -> list[tuple[int, float]]:
        where, values = conditions(filters)
        join = "JOIN documents ON number = words.rowid" if where else ""
        return self.run(
            f"SELECT words.rowid, -bm25(words, {_WEIGHTS}) FROM words {join}"  # noqa: S608
            f" WHERE words MATCH ? {where}",
            (_any(words), *values),
        ).fetchall()

    def _ranking(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words to rank by, and those that too many documents have for that."""
        if self.count() <= MOST_RANKED:
            return list(words), []
        chosen: list[str] = []
        total = 0
        rest: list[str] = []
        for word in sorted(words, key=self.holders):
            total += self.holders(word)
            (chosen if total <= MOST_RANKED else rest).append(word)
        return chosen, rest

    def holders(self, word: str) -> int:
        """How many documents have the word; more than MOST_RANKED are not counted."""
        if abs(self.count() - self._counted) > self._counted // 10:
            self._counts.clear()
            self._counted = self.count()
        if word not in self._counts:
            if len(self._counts) >= _REMEMBERED_WORDS:
                self._counts.clear()
            self._counts[word] = int(
                self.value(
                    "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)",
                    (_any([word]), MOST_RANKED + 1),
                )
            )
        return self._counts[word]

    def having(self, word: str, numbers: Sequence[int]) -> set[int]:
        """Which of these documents have the word."""
        found = self.run(
            "SELECT rowid FROM words WHERE words MATCH ?"
            " AND rowid IN (SELECT value FROM json_each(?))",
            (_any([word]), json.dumps(list(numbers))),
        )
        return {int(row[0]) for row in found}

    def accepted(self, filters: Filters) -> list[int]:
        """The numbers of the documents with a vector that the filters let through."""
        where, values = conditions(filters)
        rows = self.run(
            f"SELECT number FROM documents WHERE sum IS NOT NULL {where}",  # noqa: S608
            values,
        )
        return [row[0] for row in rows]

    def ids(self, numbers: Sequence[int]) -> dict[int, tuple[str, int | None]]:
        """Ids and checksums by number."""
        rows = self.run(
            "SELECT number, id, sum FROM documents"
            " WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def numbers(self, ids: Iterable[str]) -> dict[str, int]:
        """Numbers by id."""
        rows = self.run(
            "SELECT id, number FROM documents WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return dict(rows.fetchall())

    def documents(self, ids: Sequence[str]) -> Iterator[tuple[int, int | None, Document]]:
        """Numbers, checksums and documents without their vectors, by id."""
        rows = self.run(
            "SELECT number, sum, id, title, text, source, tags, created, strength FROM documents"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        for row in rows:
            yield row[0], row[1], _document(row[2:])

    def sums(self) -> Iterator[tuple[int, int, str]]:
        """Number, checksum and id of each document with a vector, in the order of numbers."""
        return iter(
            self.run(
                "SELECT number, sum, id FROM documents WHERE sum IS NOT NULL ORDER BY number"
            ).fetchall()
        )

    def with_vector(self, ids: Sequence[str] | None) -> list[tuple[str, int, int]]:
        """Id, number and checksum of documents with a vector, in the order of the ids."""
        wanted = "" if ids is None else "AND id IN (SELECT value FROM json_each(?))"
        return self.run(
            f"SELECT id, number, sum FROM documents WHERE sum IS NOT NULL {wanted} ORDER BY id",  # noqa: S608
            () if ids is None else (json.dumps(list(ids)),),
        ).fetchall()

    def count(self) -> int:
        """Number of documents."""
        if self._count is None:
            self._count = int(self.value("SELECT count(*) FROM documents"))
        return self._count

    def run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first value of the first row."""
        return self.run(statement, values).fetchone()[0]


def conditions(filters: Filters) -> tuple[str, list[object]]:
    """The filters as SQL that goes after a condition, and its values."""
    parts: list[str] = []
    values: list[object] = []
    if filters.since is not None:
        parts.append("created >= ?")
        values.append(filters.since)
    if filters.until is not None:
        parts.append("created <= ?")
        values.append(filters.until)
    if filters.sources:
        parts.append("documents.source IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(filters.sources))
    for tag in dict.fromkeys(filters.tags):
        parts.append("number IN (SELECT number FROM tags WHERE tag = ?)")
        values.append(tag)
    if filters.exclude:
        parts.append("id NOT IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(sorted(filters.exclude)))
    return "".join(f" AND {part}" for part in parts), values


def _document(row: Sequence[Any]) -> Document:
    name, title, text, source, tags, created, strength = row
    held = () if tags == "[]" else tuple(json.loads(tags))
    return Document(name, title, text, source, held, created, strength)


def _any(words: Sequence[str]) -> str:
    return " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
