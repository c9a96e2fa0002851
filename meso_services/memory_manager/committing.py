"""Changes become commits: in groups, a moment after the files are durable, with their authors.

The files are the truth and are on the disk before anything is answered; git follows within about
a second. What a crash kept from being committed is found at the next start by comparing the files
with the newest commit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from meso_services.memory_manager.files import blob_of
from meso_services.memory_manager.journal import Journal
from meso_services.memory_manager.repository import Change, Repository, Revision
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.runtime.process import CommandError

GROUP_SECONDS = 0.25
JOURNAL_SECONDS = 60.0
MOST_WAITING = 1000
_log = Log("meso.memory")
Missing = Callable[[Mapping[str, str]], list[Revision]]


@dataclass(frozen=True)
class OnDisk(Change):
    """A file that somebody else changed: its bytes are read when they are committed."""


class Committer:
    """One thread that commits. `missing` compares files and a commit's tree after a crash;
    `tick` is called about once a second. Whoever needs this lock and the memories' takes this
    one first.
    """

    def __init__(
        self, directory: Path, journal: Journal, missing: Missing, tick: Callable[[], None]
    ) -> None:
        self.repository = Repository(directory / ".git")
        self.problem = ""
        self._directory, self._journal, self._missing = directory, journal, missing
        self._tick = tick
        self._waiting: list[Revision] = []
        self._wake = threading.Condition()
        self._git = threading.RLock()
        self._compare = True
        self._closed = False
        self._sizes: dict[str, int] = {}
        self._journal_due = time.monotonic() + JOURNAL_SECONDS
        self._thread = threading.Thread(target=self._work, name="memory-git", daemon=True)

    def start(self) -> None:
        """Begin: what is missing in git is committed first."""
        self._thread.start()

    def add(self, revision: Revision) -> None:
        """Have a change committed. Never blocks: who calls may hold the memories' lock."""
        with self._wake:
            if len(self._waiting) >= 50 * MOST_WAITING:
                self._compare = True
                return
            if len(self._waiting) >= MOST_WAITING:
                # Memory is bounded: the file is read again when it is its turn.
                late = tuple(OnDisk(change.path, None) for change in revision.changes)
                revision = replace(revision, changes=late)
            self._waiting.append(revision)
            self._wake.notify_all()

    def flush(self, *, journal: bool = False) -> None:
        """Commit everything that waits; `problem` says if that failed."""
        with self._git:
            with self._wake:
                some, self._waiting = self._waiting, []
            try:
                self._commit(some, journal=journal)
                self.problem = ""
            except (MesoError, OSError, CommandError) as problem:
                # Nothing is lost: the files have it, and are compared with the tree later.
                self._compare = True
                self.problem = f"changes are not in git yet: {problem}"
                _log.warning(self.problem)

    def exclusive(self) -> threading.RLock:
        """The lock under which the repository is used."""
        return self._git

    def removed(self, paths: list[str], about: str, who: str) -> None:
        """Commit at once that files are gone. Raises MesoError."""
        with self._git:
            self.repository.make()
            if paths and self.repository.head() is not None:
                gone = tuple(Change(path, None) for path in paths)
                self.repository.commit([Revision(who, f"{about}\n", int(time.time()), gone)])

    def tag(self, name: str) -> None:
        """Remember the newest commit under a name, if git can."""
        with self._git:
            try:
                self.repository.make()
                self.repository.tag(name)
            except (MesoError, OSError, CommandError) as problem:
                self.problem = f"the commit before {name} has no tag: {problem}"
                _log.warning(self.problem)

    def compare(self) -> None:
        """Compare files and tree with the next commit: something went past the queue."""
        self._compare = True

    def close(self) -> None:
        """Commit all, and end."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(20)
        self.flush(journal=True)

    def _work(self) -> None:
        self.flush()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed, timeout=1.0)
                if self._closed:
                    return
                idle = not self._waiting
            if not idle:
                time.sleep(GROUP_SECONDS)
            self._tick()
            self._flush_lines()
            if not idle or self.problem or self._journal_is_due():
                self.flush(journal=self._journal_is_due())

    def _flush_lines(self) -> None:
        try:
            if self._journal.files() != self._sizes:
                self._journal.flush()
        except OSError as problem:
            _log.warning("cannot flush the life of memories", reason=str(problem))

    def _journal_is_due(self) -> bool:
        return time.monotonic() >= self._journal_due and self._journal.files() != self._sizes

    def _commit(self, waiting: list[Revision], *, journal: bool) -> None:
        self.repository.make()
        self._commit_all(waiting)
        if self._compare:
            tree = self.repository.tree(self.repository.head())
            self._commit_all(self._missing(tree))
            self._compare = False
        if journal:
            self._commit_journal()

    def _commit_all(self, revisions: list[Revision]) -> None:
        ready = [one for one in map(self._with_bytes, revisions) if one.changes]
        for some in _groups(ready):
            self.repository.commit(some)

    def _commit_journal(self) -> None:
        sizes = self._journal.files()
        changed = [name for name, size in sizes.items() if self._sizes.get(name) != size]
        tree = self.repository.tree(self.repository.head()) if changed else {}
        changes = [Change(n, (self._directory / n).read_bytes()) for n in changed]
        new = tuple(c for c in changes if c.raw is not None and tree.get(c.path) != blob_of(c.raw))
        if new:
            own = Revision("MESO memory manager", "Life of the memories", int(time.time()), new)
            self.repository.commit([own])
        self._sizes, self._journal_due = sizes, time.monotonic() + JOURNAL_SECONDS

    def _with_bytes(self, revision: Revision) -> Revision:
        if not any(isinstance(change, OnDisk) for change in revision.changes):
            return revision
        return replace(revision, changes=tuple(map(self._read, revision.changes)))

    def _read(self, change: Change) -> Change:
        if not isinstance(change, OnDisk):
            return change
        place = self._directory / change.path
        try:
            return Change(change.path, None if place.is_symlink() else place.read_bytes())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return Change(change.path, None)


def _groups(revisions: Iterable[Revision], most: int = 16 << 20) -> Iterable[list[Revision]]:
    """Pieces of the work that fit in memory."""
    group: list[Revision] = []
    size = 0
    for one in revisions:
        group.append(one)
        size += sum(len(change.raw or b"") for change in one.changes) + 256
        if size > most:
            yield group
            group, size = [], 0
    if group:
        yield group
