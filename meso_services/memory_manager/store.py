"""Memories: files and index together. The files are right; the index follows them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager.files import Entry, MemoryFiles, fingerprint
from meso_services.memory_manager.follow import FollowingIndex
from meso_services.memory_manager.index import Found, Index, words_of
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

INDEX = Path(".index/search.sqlite3")
HEALTH = ".health"


@dataclass(frozen=True)
class Hit:
    """A memory that was found, with the query's words that it has and lacks."""

    found: Found
    matched: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """Hits, best first; the words searched for; the number of memories searched."""

    hits: tuple[Hit, ...]
    words: tuple[str, ...]
    searched: int


class MemoryStore:
    """The memories below one directory. Safe to use from several threads."""

    def __init__(self, directory: Path, max_bytes: int, rescan_seconds: float) -> None:
        """Open the index, or build it. `max_bytes` bounds one memory."""
        self._lock = threading.Lock()
        durable.make_directories(directory)
        files = MemoryFiles(directory, max_bytes)
        self._index = FollowingIndex(files, directory / INDEX, rescan_seconds)

    def configure(self, max_bytes: int, rescan_seconds: float) -> None:
        """Apply changed settings from now on."""
        with self._lock:
            self._index.files = MemoryFiles(self._files.directory, max_bytes)
            self._index.rescan_seconds = rescan_seconds

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._index.close()

    def write(self, content: str, source: str, tags: tuple[str, ...]) -> tuple[Entry, bool]:
        """Keep a memory; it is on the disk and findable afterwards.

        Returns the memory and whether it is new: the same text, source and tags are kept once.
        Raises `memory.empty`, `memory.too_large` and `storage.*`.
        """
        self._check(content)
        same = fingerprint(content, source, tags)
        with self._lock:
            path = self._index.use(lambda index: index.path_of_same(same))
            if path is not None and (known := self._read(path)) is not None:
                return known, False
            return self._write(content, source, tags), True

    def _write(self, content: str, source: str, tags: tuple[str, ...]) -> Entry:
        try:
            entry = self._files.write(content, source, tags)
        except OSError as error:
            raise storage_error(error, self._files.directory) from None
        try:
            self._index.follow(entry.path)
        except MesoError:
            # What is refused must not turn up later.
            durable.remove(self._files.directory / entry.path)
            raise
        return entry

    def get(self, name: str) -> Entry:
        """One memory as its file says it now. Raises `memory.not_found`."""
        with self._lock:
            for fresh in (False, True):
                path = self._index.use(lambda index: index.path_of(name), fresh=fresh)
                entry = self._read(path) if path else None
                if entry is not None and entry.id == name:
                    return entry
        raise MesoError(
            "memory.not_found",
            f"no memory has the id {name!r}",
            status=404,
            hint="GET /v1/search finds memories by their words",
        )

    def search(self, query: str, limit: int) -> Result:
        """Memories that have any of the query's words, best first. Raises `memory.empty_query`."""
        words = words_of(query)
        if not words:
            raise MesoError(
                "memory.empty_query", "the query holds no word to search for", status=422
            )
        with self._lock:
            return self._index.use(lambda index: _search(index, words, limit))

    def state(self) -> tuple[int, list[str]]:
        """Number of memories, and what is wrong with files."""
        with self._lock:
            count, problems = self._index.use(lambda index: (index.count(), index.problems()))
            return count, [*filter(None, [self._index.behind]), *problems]

    def prove(self) -> bool:
        """Write, find and remove a memory where no user can meet it. Raises OSError."""
        word = f"probe{secrets.token_hex(8)}"
        files = MemoryFiles(self._files.directory / HEALTH, 4096)
        entry = files.write(word, "health", ())
        try:
            with self._lock:
                return self._index.try_out(files.read(entry.path), lambda i: _has(i, word, entry))
        finally:
            durable.remove(files.directory / entry.path)

    @property
    def _files(self) -> MemoryFiles:
        return self._index.files

    def _read(self, path: str) -> Entry | None:
        try:
            return self._files.read(path)
        except (OSError, DocumentError):
            return None

    def _check(self, content: str) -> None:
        if not content.strip():
            raise MesoError("memory.empty", "the memory holds nothing but space", status=422)
        size, most = len(content.encode()), self._files.max_bytes
        if size > most:
            raise MesoError(
                "memory.too_large",
                f"the memory has {size} bytes, the limit is {most}",
                status=413,
                hint="one memory holds one fact; or raise services.memory_manager.content_max",
                detail={"size": size, "limit": most},
            )


def _has(index: Index, word: str, entry: Entry) -> bool:
    return [found.id for found in index.search([word], 2)] == [entry.id]


def _search(index: Index, words: tuple[str, ...], limit: int) -> Result:
    found = index.search(words, limit)
    numbers = [row.number for row in found]
    having = {word: index.having(word, numbers) for word in words}
    hits = tuple(_hit(row, words, having) for row in found)
    return Result(hits, words, index.count())


def _hit(row: Found, words: Sequence[str], having: dict[str, set[int]]) -> Hit:
    matched = tuple(word for word in words if row.number in having[word])
    return Hit(row, matched, tuple(word for word in words if word not in matched))
