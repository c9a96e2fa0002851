"""The engine that needs no server: exact up to about 100,000 vectors, a graph above."""

from __future__ import annotations

import contextlib
import errno
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from meso_services.memory.embedded.database import Database, Row
from meso_services.memory.embedded.graph import Graph, Numbers, measure
from meso_services.memory.embedded.rows import Rows, checksum, chosen_scores, scores
from meso_services.memory.engine import (
    ANY,
    MAX_LIMIT,
    Document,
    EngineDamaged,
    EngineError,
    EngineFull,
    Filters,
    Floats,
    Scored,
)
from meso_services.runtime import durable
from meso_services.runtime.blas import one_thread

NAME = "embedded"
DATABASE, VECTORS, GRAPH = "words.sqlite3", "vectors.f32", "graph.voyager"
EXACT_TO = 100_000
# Cosines are told to six places: what is closer than that is equal, and ids decide.
PLACES = 6
# So many times the wanted number are asked of the graph; their rows decide.
_MORE = 5
_LEAST_ASKED = 64
# Rows that filters let through are looked at one by one if they are so few.
_FEW = 20_000
_BATCH = 1000
_SAVE_EVERY = 100_000


class EmbeddedEngine:
    """Documents below one directory. One thread at a time."""

    name = NAME

    def __init__(
        self, place: Path, dimension: int, model: str, *, exact_to: int = EXACT_TO
    ) -> None:
        """Open it or make it.

        Raises EngineDamaged and EngineMismatch (then `discard` it and fill it anew), EngineFull.
        """
        one_thread()
        self.dimension, self.model = dimension, model
        self._place, self._exact_to = place, exact_to
        self._graph: Graph | None = None
        self._saved = 0
        self._closed = False
        with _plainly():
            durable.make_directories(place)
            self._database = Database(place / DATABASE, dimension, model)
            try:
                self._rows = Rows(place / VECTORS, dimension)
                self._read()
            except BaseException:
                self._database.abandon()
                raise

    def _read(self) -> None:
        sums = list(self._database.sums())
        self._most = 1 + max((number for number, _, _ in sums), default=-1)
        self._alive = np.zeros(max(1024, self._most), bool)
        rows = self._rows.view(self._most)
        for number, total, name in sums:
            if checksum(rows[number]) != total:
                raise EngineDamaged(f"the vector of {name} is damaged")
            self._alive[number] = True
        self._vectors = len(sums)
        self._load_graph()

    def close(self) -> None:
        """Let go of the files; once more does nothing."""
        if self._closed:
            return
        self._closed = True
        with _plainly():
            self._rows.close()
            self._database.close()

    def put(self, documents: Sequence[Document]) -> None:
        """Add documents, or what they are now; all of them or none, durably."""
        last = {one.id: one for one in documents}
        for one in last.values():
            self._check(one)
        with self._change():
            placed, gone = [], []
            for one in last.values():
                total = None if one.vector is None else checksum(one.vector)
                number, before = self._database.put(Row(one, total))
                if one.vector is not None:
                    placed.append((number, one.vector))
                if before is not None:
                    gone.append(before)
            self._rows.write([number for number, _ in placed], [v for _, v in placed])
        self._note(gone, [number for number, _ in placed])

    def remove(self, ids: Iterable[str]) -> None:
        """Forget documents; an unknown id does nothing."""
        with self._change():
            gone = [self._database.remove(name) for name in dict.fromkeys(ids)]
        self._note([number for number in gone if number is not None], [])

    def set_strength(self, strengths: Mapping[str, float]) -> None:
        """Change strengths by id; an unknown id does nothing."""
        if not all(math.isfinite(strength) for strength in strengths.values()):
            raise ValueError("a strength is a finite number")
        with self._change():
            self._database.set_strength(strengths)

    def by_words(
        self, words: Sequence[str], filters: Filters = ANY, limit: int = 10
    ) -> list[Scored]:
        """Documents with any of the words, by BM25."""
        if not words or _limit(limit) == 0:
            return []
        with _plainly():
            found = self._database.by_words(words, filters, limit)
            ids = self._database.ids([number for number, _ in found])
        return _sorted([Scored(ids[number][0], round(score, 9)) for number, score in found], limit)

    def having(self, word: str, ids: Sequence[str]) -> set[str]:
        """Which of these documents have the word."""
        with _plainly():
            numbers = self._database.numbers(ids)
            found = self._database.having(word, sorted(numbers.values()))
        return {name for name, number in numbers.items() if number in found}

    def holders(self, word: str) -> int:
        """How many documents have the word; above MOST_RANKED it is not counted on."""
        with _plainly():
            return self._database.holders(word)

    def by_vector(self, vector: Floats, filters: Filters = ANY, limit: int = 10) -> list[Scored]:
        """Documents by the cosine to a unit vector. Exact, unless a graph proposes."""
        query = self._query(vector)
        if not self._vectors or _limit(limit) == 0:
            return []
        with _plainly():
            rows = self._rows.view(self._most)
            numbers, found = self._candidates(rows, query, filters, limit)
            return self._told(rows, query, (numbers, found), limit)

    def _candidates(
        self, rows: Floats, query: Floats, filters: Filters, limit: int
    ) -> tuple[Numbers, Floats]:
        if filters.open:
            if self._graph is None:
                found = scores(rows, query)
                found[~self._alive[: self._most]] = -np.inf
                return np.arange(self._most), found
            near = self._proposed(self._graph, query, limit)
            if len(near) < min(limit, self._vectors):  # much was removed: the graph is worn out
                near = np.flatnonzero(self._alive[: self._most])
            return near, chosen_scores(rows, near, query)
        allowed = np.array(self._database.accepted(filters), np.int64)
        if self._graph is not None and len(allowed) > _FEW:
            some = self._proposed_of(self._graph, query, allowed, limit)
            if some is not None:
                return some, chosen_scores(rows, some, query)
        return allowed, chosen_scores(rows, allowed, query)

    def _proposed(self, graph: Graph, query: Floats, limit: int) -> Numbers:
        near = graph.nearest(query, max(_LEAST_ASKED, _MORE * limit))
        return np.concatenate([near[self._alive[near]], self._tail(graph)])

    def _proposed_of(
        self, graph: Graph, query: Floats, allowed: Numbers, limit: int
    ) -> Numbers | None:
        """Candidates among `allowed`; None where asking for more and more would take longer
        than looking at all of them."""
        may = np.zeros(self._most, bool)
        may[allowed] = True
        asked = max(_LEAST_ASKED, int(_MORE * limit * self._vectors / max(1, len(allowed))))
        if asked > _FEW:
            return None
        near = graph.nearest(query, asked)
        near = near[may[near]]
        if len(near) < min(2 * limit, len(allowed)):
            return None
        tail = self._tail(graph)
        return np.concatenate([near, tail[may[tail]]])

    def _tail(self, graph: Graph) -> Numbers:
        return graph.until + np.flatnonzero(self._alive[graph.until : self._most])

    def _told(
        self, rows: Floats, query: Floats, candidates: tuple[Numbers, Floats], limit: int
    ) -> list[Scored]:
        """The best, by name; those equal to the last one compete for its place by their ids."""
        numbers, found = candidates
        if len(found) > limit:
            least = np.partition(found, len(found) - limit)[len(found) - limit]
            numbers = numbers[found >= least - np.float32(10.0**-PLACES)]
        numbers = numbers[self._alive[numbers]]
        # A sum in single precision depends on where in a block a row stands; this does not.
        cosines = rows[numbers].astype(np.float64) @ query.astype(np.float64)
        ids = self._database.ids(numbers.tolist())
        result = []
        for number, score in zip(numbers.tolist(), cosines.tolist(), strict=True):
            name, total = ids[number]
            if checksum(rows[number]) != total:
                raise EngineDamaged(f"the vector of {name} is damaged")
            result.append(Scored(name, round(score, PLACES)))
        return _sorted(result, limit)

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The documents there are, in the order asked for, each once."""
        with _plainly():
            rows = self._rows.view(self._most)
            found = {
                one.id: _with(one, None if total is None else rows[number], total)
                for number, total, one in self._database.documents(ids)
            }
        return [found[name] for name in dict.fromkeys(ids) if name in found]

    def vectors(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, Floats]]:
        """Ids and vectors, in the order of the ids."""
        with _plainly():
            rows = self._rows.view(self._most)
            found = self._database.with_vector(ids)
        for name, number, _ in found:
            yield name, np.array(rows[number], np.float32)

    def count(self) -> int:
        """Number of documents."""
        with _plainly():
            return self._database.count()

    def clear(self) -> None:
        """Forget every document."""
        self.close()
        discard(self._place)
        EmbeddedEngine.__init__(
            self, self._place, self.dimension, self.model, exact_to=self._exact_to
        )

    @property
    def behind(self) -> int:
        """Vectors that `tend` would still take into the graph; searched one by one till then."""
        if self._vectors <= self._exact_to:
            return 0
        return len(self._tail(self._graph)) if self._graph else self._vectors

    def tend(self, seconds: float) -> int:
        """Bring the graph up for about so long, and at least a little; returns `behind`. Call it
        when there is time.
        """
        if not self.behind:
            return 0
        until = time.monotonic() + seconds
        with _plainly():
            graph = self._graph or Graph.empty(self.dimension)
            while (left := self._tail(graph)).size:
                part = left[:_BATCH]
                graph.add(part, np.array(self._rows.view(self._most)[part]))
                graph.until = int(part[-1]) + 1
                if time.monotonic() >= until:
                    break
            self._graph = graph
            if not self.behind or graph.until - self._saved >= _SAVE_EVERY:
                self._save_graph(graph)
        return self.behind

    def scrub(self) -> None:
        """Leave nothing of removed documents in the files: words, vectors, graph."""
        with _plainly():
            with self._change():
                self._database.scrub()
            self._rows.erase(np.flatnonzero(~self._alive[: self._most]).tolist())
            self._graph, self._saved = None, 0
            durable.remove(self._place / GRAPH)

    def _save_graph(self, graph: Graph) -> None:
        size, total = graph.save(self._place / GRAPH)
        self._database.set_fact("graph", f"{size} {total} {graph.until}")
        self._saved = graph.until

    def _load_graph(self) -> None:
        """The saved graph, if it is whole; without one, `tend` makes it."""
        noted = self._database.fact("graph")
        if noted is None or self._vectors <= self._exact_to:
            return
        size, total, until = map(int, noted.split())
        if measure(self._place / GRAPH) == (size, total):
            self._graph = Graph.load(self._place / GRAPH, self.dimension, until)
            self._saved = until

    def _note(self, gone: Sequence[int], new: Sequence[int]) -> None:
        """What has just become durable."""
        gone = [number for number in gone if number < self._most and self._alive[number]]
        self._alive[gone] = False
        if self._graph is not None:
            self._graph.forget(list(gone))
        self._most = max([self._most, *(number + 1 for number in new)])
        if self._most > len(self._alive):
            more = np.zeros(2 * self._most - len(self._alive), bool)
            self._alive = np.concatenate([self._alive, more])
        self._alive[list(new)] = True
        self._vectors += len(new) - len(gone)
        if self._graph is not None and self._vectors <= self._exact_to // 2:
            self._graph = None

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with _plainly():
            self._database.begin()
            try:
                yield
                self._database.commit()
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.rollback()
                raise

    def _check(self, one: Document) -> None:
        if not one.id:
            raise ValueError("a document has an id")
        if not (math.isfinite(one.created) and math.isfinite(one.strength)):
            raise ValueError(f"{one.id}: created and strength are finite numbers")
        if one.vector is not None:
            self._query(one.vector)

    def _query(self, vector: Floats) -> Floats:
        return unit(vector, self.dimension)


def unit(vector: Floats, dimension: int) -> Floats:
    """The vector as engines take it. Raises EngineError if it is of another shape or length."""
    if vector.shape != (dimension,):
        raise EngineError(f"the vector has shape {vector.shape}, the engine's are ({dimension},)")
    found = np.ascontiguousarray(vector, np.float32)
    length = float(np.linalg.norm(found))
    if not abs(length - 1) < 1e-3:
        raise EngineError(f"the vector has length {length:g}, not 1")
    return found


def discard(place: Path) -> None:
    """Remove what an engine stored at `place`, whatever state it is in."""
    names = (*(DATABASE + suffix for suffix in ("", "-journal", "-wal", "-shm")), VECTORS, GRAPH)
    if place.is_dir():
        for name in names:
            (place / name).unlink(missing_ok=True)
        durable.flush_directory(place)


def _with(one: Document, row: Floats | None, total: int | None) -> Document:
    if row is None:
        return one
    if checksum(row) != total:
        raise EngineDamaged(f"the vector of {one.id} is damaged")
    return Document(
        *(one.id, one.title, one.text, one.source, one.tags, one.created, one.strength),
        np.array(row, np.float32),
    )


def _limit(limit: int) -> int:
    if not 0 <= limit <= MAX_LIMIT:
        raise ValueError(f"a limit is from 0 to {MAX_LIMIT}")
    return limit


def _sorted(found: list[Scored], limit: int) -> list[Scored]:
    return sorted(found, key=lambda one: (-one.score, one.id))[:limit]


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """The errors of SQLite and of files as the engine's own."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise EngineFull("no space left for the index") from error
        raise EngineDamaged(f"the index cannot be used: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EngineFull("no space left for the index") from error
        raise EngineError(f"the index cannot be used: {error}") from error
