"""The index of the files: derived from them, and rebuilt whenever it is in doubt.

Not in WAL mode: the SQLite of Debian 13 can corrupt a database there (decision 0009). There
is one connection, used by one thread at a time; the caller holds the lock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from meso_services.memory_manager.comparing import keys, said
from meso_services.memory_manager.files import Entry, Stamp, blob_of, fingerprint

SCHEMA = 2
_TABLES = """
CREATE TABLE memories (
    number INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL, blob TEXT NOT NULL,
    id TEXT UNIQUE, archived INTEGER NOT NULL, born REAL,
    created TEXT, source TEXT, tags TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    problem TEXT NOT NULL
);
CREATE INDEX memories_fingerprint ON memories (fingerprint);
CREATE TABLE keys (key TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number))
    WITHOUT ROWID;
CREATE INDEX keys_number ON keys (number);
CREATE TABLE events (
    id TEXT PRIMARY KEY, time REAL NOT NULL, memory TEXT NOT NULL, kind TEXT NOT NULL,
    by TEXT NOT NULL, path TEXT NOT NULL, other TEXT NOT NULL, about TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_memory ON events (memory);
CREATE INDEX events_other ON events (other) WHERE other != '';
CREATE TABLE dirty (id TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE journals (name TEXT PRIMARY KEY, read INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE states (
    memory TEXT PRIMARY KEY, strength REAL NOT NULL, time REAL NOT NULL, against TEXT NOT NULL,
    uses INTEGER NOT NULL, last REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE unembedded (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Known:
    """What the index remembers of a file; `id` is None for one that cannot be read."""

    number: int
    stamp: Stamp
    sha256: str
    id: str | None = None


@dataclass(frozen=True)
class Alike:
    """A memory that may say something like another: where it is, and its file's SHA-256."""

    path: str
    id: str
    archived: bool
    sha256: str


class Index:
    """The database. Every method may raise sqlite3.Error; the store then rebuilds it."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._run("PRAGMA journal_mode = TRUNCATE")
        self._run("PRAGMA synchronous = NORMAL")
        # A purge must leave nothing in pages that are free.
        self._run("PRAGMA secure_delete = ON")
        self._prepare()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _prepare(self) -> None:
        version = self._value("PRAGMA user_version")
        if version == 0 and self._value("SELECT count(*) FROM sqlite_master") == 0:
            script = f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;"
            self._connection.executescript(script)
        elif version != SCHEMA:
            raise sqlite3.DatabaseError(f"schema {version}, wanted {SCHEMA}")
        elif self._value("PRAGMA quick_check(1)") != "ok":
            raise sqlite3.DatabaseError("the database is damaged")

    def begin(self) -> None:
        """Begin a change; `commit` makes it count, `rollback` forgets it."""
        self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the change count."""
        self._run("COMMIT")

    def rollback(self) -> None:
        """Forget the change."""
        if self._connection.in_transaction:
            self._run("ROLLBACK")

    def known(self) -> dict[str, Known]:
        """All files by path."""
        rows = self._run("SELECT path, number, size, mtime_ns, inode, sha256, id FROM memories")
        return {r[0]: Known(r[1], Stamp(r[2], r[3], r[4]), r[5], r[6]) for r in rows}

    def blobs(self) -> dict[str, str]:
        """What git would call each file's bytes, by path."""
        return dict(self._run("SELECT path, blob FROM memories WHERE blob != ''").fetchall())

    def put(self, entry: Entry, stamp: Stamp) -> None:
        """Add a file, or what it says now. Its id must not belong to another file."""
        self.remove([entry.path])
        tags = json.dumps(entry.tags)
        same = fingerprint(entry.content, entry.source, entry.tags)
        number = self._run(
            "INSERT INTO memories (path, size, mtime_ns, inode, sha256, blob, id, archived, born,"
            " created, source, tags, fingerprint, problem)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(entry.path, stamp.size, stamp.mtime_ns, stamp.inode, entry.sha256),
                *(blob_of(entry.raw), entry.id, entry.archived, _born(entry, stamp)),
                *(entry.created, entry.source, tags, same, entry.problem),
            ),
        ).lastrowid
        for key in keys(said(entry.content)):
            self._run("INSERT OR IGNORE INTO keys VALUES (?, ?)", (key, number))
        self._dirty(entry.id)

    def put_unreadable(self, path: str, stamp: Stamp, problem: str) -> None:
        """Remember a file that cannot be searched, and why."""
        self.remove([path])
        self._run(
            "INSERT INTO memories (path, size, mtime_ns, inode, sha256, blob, archived, tags,"
            " fingerprint, problem) VALUES (?, ?, ?, ?, '', '', 0, '[]', '', ?)",
            (path, stamp.size, stamp.mtime_ns, stamp.inode, problem),
        )

    def touch(self, number: int, stamp: Stamp) -> None:
        """Remember a new stamp of a file whose content is the same."""
        self._run(
            "UPDATE memories SET size = ?, mtime_ns = ?, inode = ? WHERE number = ?",
            (stamp.size, stamp.mtime_ns, stamp.inode, number),
        )

    def remove(self, paths: Iterable[str]) -> None:
        """Forget files."""
        for path in paths:
            row = self._run("SELECT id FROM memories WHERE path = ?", (path,)).fetchone()
            if row is not None and row[0] is not None:
                self._dirty(row[0])
            self._run(
                "DELETE FROM keys WHERE number = (SELECT number FROM memories WHERE path = ?)",
                (path,),
            )
            self._run("DELETE FROM memories WHERE path = ?", (path,))

    def unreadable(self) -> list[str]:
        """Paths of the files that cannot be searched."""
        return [row[0] for row in self._run("SELECT path FROM memories WHERE id IS NULL")]

    def path_of(self, name: str) -> str | None:
        """The path of the memory with this id."""
        return self._text("SELECT path FROM memories WHERE id = ?", name)

    def path_of_same(self, same: str) -> str | None:
        """The path of a memory with this fingerprint."""
        return self._text("SELECT path FROM memories WHERE fingerprint = ?", same)

    def by_keys(self, wanted: Iterable[str], most: int = 24) -> list[Alike]:
        """Memories that share one of the keys (see `comparing`), newest first."""
        found = list(wanted)
        marks = ", ".join("?" for _ in found)
        rows = self._run(
            "SELECT DISTINCT path, id, archived, sha256, born FROM keys"  # noqa: S608
            f" JOIN memories USING (number) WHERE key IN ({marks})"
            " ORDER BY born DESC, path LIMIT ?",
            (*found, most),
        )
        return [Alike(row[0], row[1], bool(row[2]), row[3]) for row in rows]

    def born(self, name: str) -> float | None:
        """When a memory began, in Unix seconds: as its file says, else the file's own time."""
        row = self._run("SELECT born FROM memories WHERE id = ?", (name,)).fetchone()
        return None if row is None or row[0] is None else float(row[0])

    def ids(self, *, archived: bool = False) -> list[str]:
        """All memories in use, or all that are forgotten, oldest first."""
        rows = self._run(
            "SELECT id FROM memories WHERE id IS NOT NULL AND archived = ? ORDER BY born, id",
            (archived,),
        )
        return [row[0] for row in rows]

    def page(
        self, after: str, most: int, *, source: str | None, tag: str | None, archived: bool
    ) -> list[str]:
        """The next ids after one, of memories that fit."""
        rows = self._run(
            "SELECT id FROM memories WHERE id > ? AND archived = ?"
            " AND (? IS NULL OR source = ?)"
            " AND (? IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?))"
            " ORDER BY id LIMIT ?",
            (after, archived, source, source, tag, tag, most),
        )
        return [row[0] for row in rows]

    def count(self) -> int:
        """Number of memories that can be found."""
        return int(
            self._value("SELECT count(*) FROM memories WHERE id IS NOT NULL AND NOT archived")
        )

    def problems(self) -> list[str]:
        """What is wrong with files, in order of their paths."""
        rows = self._run("SELECT problem FROM memories WHERE problem != '' ORDER BY path")
        return [row[0] for row in rows]

    def dirty(self) -> list[tuple[str, int]]:
        """Memories that the engine may not know as they are, each with the change's number."""
        return self._run("SELECT id, number FROM dirty ORDER BY number").fetchall()

    def dirty_count(self) -> int:
        """How many those are."""
        return int(self._value("SELECT count(*) FROM dirty"))

    def dirty_all(self) -> None:
        """The engine knows none of them."""
        self._run(
            "INSERT OR REPLACE INTO dirty SELECT id, (SELECT coalesce(max(number), 0) FROM dirty)"
            " + row_number() OVER (ORDER BY number) FROM memories"
            " WHERE id IS NOT NULL AND NOT archived"
        )

    def clean(self, done: Iterable[tuple[str, int]]) -> None:
        """The engine knows them as they were at those changes."""
        self._connection.executemany("DELETE FROM dirty WHERE id = ? AND number = ?", tuple(done))

    def lacks_vector(self, names: Iterable[str]) -> None:
        """These have no vector."""
        rows = [(name,) for name in names]
        self._connection.executemany("INSERT OR IGNORE INTO unembedded VALUES (?)", rows)

    def has_vector(self, names: Iterable[str]) -> None:
        """These have one, or need none any more."""
        for name in names:
            if self._run("SELECT 1 FROM unembedded WHERE id = ?", (name,)).fetchone():
                self._run("DELETE FROM unembedded WHERE id = ?", (name,))

    def without_vector(self, most: int) -> list[str]:
        """Some that have none."""
        rows = self._run("SELECT id FROM unembedded LIMIT ?", (most,))
        return [row[0] for row in rows]

    def without_vector_count(self) -> int:
        """How many have none."""
        return int(self._value("SELECT count(*) FROM unembedded"))

    def places(self, names: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """Path and `created` of memories by their ids."""
        marks = ", ".join("?" for _ in names)
        rows = self._run(
            f"SELECT id, path, created FROM memories WHERE id IN ({marks})",  # noqa: S608
            tuple(names),
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def _dirty(self, name: str) -> None:
        self._run(
            "INSERT OR REPLACE INTO dirty VALUES"
            " (?, (SELECT coalesce(max(number), 0) + 1 FROM dirty))",
            (name,),
        )

    def run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """For what keeps tables of its own beside the files."""
        return self._run(statement, values)

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _value(self, statement: str) -> int | str:
        value: int | str = self._run(statement).fetchone()[0]
        return value

    def _text(self, statement: str, value: str) -> str | None:
        row = self._run(statement, (value,)).fetchone()
        return None if row is None else str(row[0])


def _born(entry: Entry, stamp: Stamp) -> float:
    return stamp.mtime_ns / 1e9 if entry.born is None else entry.born
