"""An index that follows the files: refreshed when they change, rebuilt when it is damaged."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager.files import Entry, MemoryFiles, Stamp
from meso_services.memory_manager.index import Index, Known
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

_log = Log("meso.memory")
T = TypeVar("T")


@dataclass(frozen=True)
class Noticed:
    """A file that somebody else changed: what it says now (None: it is gone), and was before."""

    path: str
    entry: Entry | None
    before: Known | None


class Told:
    """Who hears of what the index does; this one does nothing with it."""

    def opened(self, index: Index) -> None:
        """A database was opened, perhaps an empty one; called in a change."""

    def noticed(self, index: Index, found: list[Noticed]) -> None:
        """Files were changed by somebody else; called in the change that takes them in."""


class FollowingIndex:
    """The index of one memory directory. The caller sees to it that one thread uses it.

    `behind` is empty, or says why the index does not show the latest changes.
    """

    def __init__(
        self, files: MemoryFiles, place: Path, rescan_seconds: float, told: Told | None = None
    ) -> None:
        """Open the index at `place`, or build it from the files."""
        self.files, self.rescan_seconds = files, rescan_seconds
        self._told = told or Told()
        self._place = place
        self.behind = ""
        self._refreshed = 0.0
        durable.make_directories(place.parent)
        self._index = self._open()
        self._guarded(self._tell_opened)

    def close(self) -> None:
        """Close the database."""
        self._index.close()

    def use(self, work: Callable[[Index], T], *, fresh: bool = False) -> T:
        """Do some work on an index that is up to date: as of now if `fresh`, else nearly.

        A damaged index is built anew and the work done again. Raises `storage.full` and
        `memory.unreadable`.
        """
        return self._guarded(lambda: self._brought_up(work, fresh))

    def change(self, work: Callable[[Index], T]) -> T:
        """Do some work on the index that counts as a whole; done again on a rebuilt one."""
        return self._guarded(lambda: self._changed(work))

    def follow(self, index: Index, path: str) -> None:
        """In a change: take in one file that has just been written, or is gone. Raises OSError."""
        try:
            found = (self.files.directory / path).lstat()
        except FileNotFoundError:
            index.remove([path])
            return
        self._take(path, Stamp(found.st_size, found.st_mtime_ns, found.st_ino), None)

    def rebuild(self) -> None:
        """Throw the index away and build it from the files."""
        self._guarded(self._rebuild)

    def _brought_up(self, work: Callable[[Index], T], fresh: bool) -> T:
        if fresh or time.monotonic() - self._refreshed >= self.rescan_seconds:
            self._refresh_if_there_is_space()
        return work(self._index)

    def _refresh_if_there_is_space(self) -> None:
        """A full disk must not keep anybody from finding what is in the index already."""
        try:
            self._refresh()
            self.behind = ""
        except sqlite3.Error as error:
            if not _is_full(error):
                raise
            self.behind = "the search index lacks the latest changes: the disk is full"
            _log.warning(self.behind)

    def _refresh(self) -> None:
        if not self._place.exists():
            raise sqlite3.DatabaseError("the index is gone")
        known, now = self._index.known(), self._scan()
        changed = {path for path, stamp in now.items() if _stamp(known.get(path)) != stamp}
        gone = known.keys() - now.keys()
        if changed or gone:
            # What could not be read may be readable now: another file may have had its id.
            changed |= set(self._index.unreadable()) - gone
            self._apply(known, now, sorted(changed), sorted(gone))
        self._refreshed = time.monotonic()

    def _apply(
        self, known: dict[str, Known], now: dict[str, Stamp], changed: list[str], gone: list[str]
    ) -> None:
        with self._change():
            # First what is gone: a renamed file brings its id along.
            self._index.remove(gone)
            noticed = [Noticed(path, None, known[path]) for path in gone]
            for path in changed:
                if (entry := self._take(path, now[path], known.get(path))) is not None:
                    noticed.append(Noticed(path, entry, known.get(path)))
            self._told.noticed(self._index, noticed)

    def _scan(self) -> dict[str, Stamp]:
        try:
            return dict(self.files.scan())
        except OSError as error:
            raise MesoError(
                "memory.unreadable",
                f"cannot list {error.filename}: {error.strerror}",
                status=503,
                hint="the files must belong to the user meso-memory-manager",
            ) from None

    def _tell_opened(self) -> None:
        with self._change():
            self._told.opened(self._index)

    def _changed(self, work: Callable[[Index], T]) -> T:
        with self._change():
            return work(self._index)

    def _take(self, path: str, stamp: Stamp, known: Known | None) -> Entry | None:
        """Take in a file; what it says, if that is new and can be read."""
        try:
            entry = self.files.read(path)
        except (OSError, DocumentError, MesoError) as error:
            self._index.put_unreadable(path, stamp, str(error))
            return None
        if known is not None and entry.sha256 == known.sha256:
            self._index.touch(known.number, stamp)
            return None
        owner = self._index.path_of(entry.id)
        if owner in (None, path):
            self._index.put(entry, stamp)
            return entry
        problem = f"{path}: the id {entry.id} belongs to {owner} already"
        self._index.put_unreadable(path, stamp, problem)
        return None

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        self._index.begin()
        try:
            yield
            self._index.commit()
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._index.rollback()
            raise

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            _refuse_if_full(error)
            _log.warning("rebuilding the search index", reason=str(error))
        try:
            self._rebuild()
            return work()
        except sqlite3.Error as error:
            _refuse_if_full(error)
            raise MesoError(
                "memory.index_unusable",
                f"the search index cannot be built: {error}",
                status=503,
                hint="the memories themselves are files and unharmed; look at the disk's health",
            ) from None

    def _rebuild(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._index.close()
        self._discard()
        self._index = Index(self._place)
        self._tell_opened()
        self._refresh()

    def _open(self) -> Index:
        try:
            return Index(self._place)
        except sqlite3.Error as error:
            _log.warning("rebuilding the search index", reason=str(error))
            self._discard()
            return Index(self._place)

    def _discard(self) -> None:
        durable.make_directories(self._place.parent)
        for suffix in ("", "-journal", "-wal", "-shm"):
            durable.remove(self._place.with_name(self._place.name + suffix))


def _stamp(known: Known | None) -> Stamp | None:
    return known.stamp if known else None


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def _refuse_if_full(error: sqlite3.Error) -> None:
    if _is_full(error):
        raise MesoError(
            "storage.full",
            "no space left for the search index",
            status=507,
            hint="free space on the state partition; `meso status` shows what is used",
        ) from None
