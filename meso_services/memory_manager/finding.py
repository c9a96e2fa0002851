"""The engine that finds memories, filled from the files, and what it lacks.

The index says which memories changed (its table `dirty`, kept in the same transaction as the
change); they go to the engine before the next search. So a crash, an interrupted reindex or an
engine that was thrown away leaves nothing out. Vectors that could not be had are made up for in
the background.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from meso_services.memory import search as hybrid
from meso_services.memory.engine import (
    Document,
    Engine,
    EngineDamaged,
    EngineError,
    EngineFull,
    Filters,
    Floats,
)
from meso_services.memory.opening import discard, open_engine
from meso_services.memory.search import Ranked
from meso_services.memory_manager.files import Entry
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.lives import Lives
from meso_services.memory_manager.vectors import Vectors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

PLACE = Path(".index/engine")
BATCH = 256
# Texts for which a vector is made in one go, beside other work.
EMBED = 16
HOUR = 3600.0
PROBE = "0-probe"
_log = Log("meso.memory")
T = TypeVar("T")


class Finder:
    """The caller holds the memories' lock in every call but `made_up_for`."""

    def __init__(
        self, place: Path, vectors: Vectors, lives: Lives,
        entry: Callable[[Index, str], Entry | None],
    ) -> None:  # fmt: skip
        self.vectors = vectors
        self._place, self._lives, self._entry = place, lives, entry
        self._done: set[tuple[str, int]] = set()
        self._refreshed: dict[str, float] = {}
        self._stale = False
        self._engine = self._open()

    @property
    def name(self) -> str:
        """Which engine."""
        return self._engine.name

    def close(self) -> None:
        """Let go of files and connections."""
        self._engine.close()
        self.vectors.close()

    def begin(self, index: Index) -> None:
        """A new index or engine: compare the two, and fill what differs."""
        if self._stale or self._engine.count() > index.count() + index.dirty_count():
            self._clear()
        if self._stale or self._engine.count() + index.dirty_count() < index.count():
            index.dirty_all()
            self._done.clear()
        self._stale = False

    def sync(self, index: Index) -> None:
        """Bring the engine up. Raises `storage.full`, `memory.index_unusable`."""
        self._guarded(index, lambda: self._sync(index))

    def search(  # noqa: PLR0913 (what makes up a search)
        self, index: Index, words: Sequence[str], vector: Floats | None, filters: Filters,
        limit: int, *, parameters: hybrid.Parameters,
    ) -> list[Ranked]:  # fmt: skip
        """The best memories."""

        def work() -> list[Ranked]:
            return hybrid.search(self._engine, words, vector, filters, limit, now=time.time(),
                                 parameters=parameters)  # fmt: skip

        try:
            self.sync(index)
        except MesoError as problem:
            if problem.code != "storage.full":
                raise
            # A full disk must not keep anybody from finding what is in the index already.
            _log.warning("the search index lacks the latest changes: the disk is full")
        return self._guarded(index, work)

    def vector_of(self, name: str) -> Floats | None:
        """A memory's vector, if there is one."""
        found = self._engine.get([name])
        return found[0].vector if found else None

    def strengthen(self, index: Index, names: Sequence[str]) -> None:
        """Tell the engine how strong memories are now."""
        strengths = {name: self._lives.strength(index, name) for name in names}
        if strengths:
            self._guarded(index, lambda: self._engine.set_strength(strengths))

    def refresh(self, index: Index, most: int = 1000) -> None:
        """A piece of all strengths, so that each is told about once an hour."""
        now = time.monotonic()
        due = [name for name in index.ids() if now - self._refreshed.get(name, 0) > HOUR][:most]
        self.strengthen(index, due)
        self._refreshed |= dict.fromkeys(due, now)

    def tidy(self, index: Index) -> None:
        """Forget what was dirty and is done."""
        if self._done:
            index.clean(self._done)
            self._done.clear()

    def lacking(self, index: Index, most: int) -> list[Entry]:
        """Some memories without a vector."""
        found = (self._entry(index, name) for name in index.without_vector(most))
        return [entry for entry in found if entry is not None]

    def take(self, index: Index, entries: Sequence[Entry]) -> None:
        """Give vectors that are known by now to memories that lack them."""
        there = [e for e in entries if (now := self._entry(index, e.id)) and now.sha256 == e.sha256]
        self._put(index, there)

    def prove(self, index: Index, entry: Entry, word: str) -> bool:
        """Put, find and remove a document that no user can meet."""

        def work() -> bool:
            name = f"{PROBE}-{entry.id}"
            self._engine.put([Document(name, word, word, created=0.0)])
            try:
                found = self._engine.by_words([word], Filters(), 2)
            finally:
                self._engine.remove([name])
            return [one.id for one in found] == [name]

        return self._guarded(index, work)

    def scrub(self, index: Index) -> None:
        """Leave nothing of removed memories in the engine's files."""
        self.sync(index)
        self.vectors.forget()
        scrub = getattr(self._engine, "scrub", None)
        if scrub is not None:
            self._guarded(index, scrub)

    def tend(self, seconds: float) -> None:
        """Let an approximate index catch up for about so long."""
        tend = getattr(self._engine, "tend", None)
        if tend is not None:
            tend(seconds)

    def rebuild(self, index: Index) -> None:
        """Fill a new engine. What was put is kept if it is interrupted."""
        self._clear()
        self._done.clear()
        index.dirty_all()
        self.sync(index)

    @property
    def engine(self) -> Engine:
        """For what reads vectors and documents as a whole."""
        return self._engine

    def _sync(self, index: Index) -> None:
        dirty = [one for one in index.dirty() if one not in self._done]
        for some in _pieces(dirty, BATCH):
            entries = [self._entry(index, name) for name, _ in some]
            living = [e for e in entries if e is not None and not e.archived]
            gone = {name for name, _ in some} - {e.id for e in living}
            if gone:
                self._engine.remove(sorted(gone))
                index.has_vector(gone)
            self._put(index, living)
            self._done |= set(some)
            if len(dirty) > BATCH:
                self.tidy(index)

    def _put(self, index: Index, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        documents = [self._document(index, entry) for entry in entries]
        self._engine.put(documents)
        lacking = {one.id for one in documents if one.vector is None}
        index.lacks_vector(lacking)
        index.has_vector({one.id for one in documents} - lacking)

    def _document(self, index: Index, entry: Entry) -> Document:
        return Document(
            entry.id, "", entry.content, entry.source, entry.tags, index.born(entry.id) or 0.0,
            self._lives.strength(index, entry.id), self.vectors.known(text_of(entry.content)),
        )  # fmt: skip

    def _guarded(self, index: Index, work: Callable[[], T]) -> T:
        try:
            return work()
        except EngineFull as problem:
            raise _full(problem) from None
        except EngineDamaged as problem:
            _log.warning("rebuilding the search engine", reason=str(problem))
        except EngineError as problem:
            raise _unusable(problem) from None
        try:
            self._clear()
            index.dirty_all()
            self._done.clear()
            self._sync(index)
            return work()
        except EngineFull as problem:
            raise _full(problem) from None
        except EngineError as problem:
            raise _unusable(problem) from None

    def _open(self) -> Engine:
        try:
            return self._opened()
        except EngineDamaged as problem:
            _log.warning("rebuilding the search engine", reason=str(problem))
            discard("embedded", place=self._place)
            self._stale = True
            return self._opened()

    def _opened(self) -> Engine:
        model = self.vectors.model
        return open_engine(
            "embedded", place=self._place, dimension=model.dimension, model=model.title
        )

    def _clear(self) -> None:
        try:
            self._engine.close()
        except EngineError as problem:
            _log.warning("the old engine was not closed in order", reason=str(problem))
        discard("embedded", place=self._place)
        self._engine = self._opened()


def text_of(content: str) -> str:
    """What is embedded of a memory."""
    return content.strip()


def _pieces(some: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), size):
        yield some[start : start + size]


def _full(problem: EngineError) -> MesoError:
    return MesoError(
        "storage.full", f"no space left for the search index: {problem}", status=507,
        hint="free space on the state partition; `meso status` shows what is used",
    )  # fmt: skip


def _unusable(problem: EngineError) -> MesoError:
    return MesoError(
        "memory.index_unusable", f"the search index cannot be built: {problem}", status=503,
        hint="the memories themselves are files and unharmed; look at the disk's health",
    )  # fmt: skip
