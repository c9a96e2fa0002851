"""What all that is done to memories works on: files, index, lives and history, under one lock."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager.committing import Committer, OnDisk
from meso_services.memory_manager.comparing import Said, contradiction, keys, said
from meso_services.memory_manager.files import Entry, MemoryFiles
from meso_services.memory_manager.finding import EMBED, PLACE, Finder, text_of
from meso_services.memory_manager.follow import FollowingIndex, Noticed, Told
from meso_services.memory_manager.index import Alike, Index
from meso_services.memory_manager.journal import PLACE as LIVES
from meso_services.memory_manager.journal import Journal, new_event
from meso_services.memory_manager.life import Event, Parameters
from meso_services.memory_manager.lives import Lives
from meso_services.memory_manager.repository import Change, Revision
from meso_services.memory_manager.settings import Settings
from meso_services.memory_manager.vectors import Model, Vectors
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.runtime.process import CommandError

INDEX = Path(".index/files.sqlite3")
HAND = "by hand"
MOST_SAID = 4096
OWN = "MESO memory manager"
_log = Log("meso.memory")
T = TypeVar("T")


def parameters_of(settings: Settings) -> Parameters:
    """How memories live, as the settings say."""
    return Parameters(
        half_life=settings.half_life_days * 86400,
        gain=settings.use_gain,
        most=settings.strength_max,
        contradicted=settings.contradicted_factor,
    )


def model_of(settings: Settings) -> Model:
    """Who embeds, as the settings say."""
    return Model(settings.embedding_model, settings.embedding_dim, settings.embed_seconds)


class Core(Told):
    """The memories below one directory. `lock` guards everything but git.

    Who also needs the committer's lock takes that one first.
    """

    def __init__(self, directory: Path, settings: Settings, run: Path) -> None:
        self.lock = threading.RLock()
        self.directory = directory
        self.settings = settings
        durable.make_directories(directory)
        self.journal = Journal(directory)
        self.lives = Lives(self.journal, parameters_of(settings))
        self._uses: dict[tuple[str, str, int], Event] = {}
        self._used: dict[tuple[str, str, int], None] = {}
        self._watched = time.monotonic()
        self._said: dict[str, Said] = {}
        # Who is said to have changed what nobody announced: a person, or a restore that runs.
        self.unannounced = (HAND, "")
        self.quiet = False
        # Takes in what another instance left; the service sets it.
        self.incoming: Callable[[], None] = lambda: None
        files = MemoryFiles(directory, settings.content_max)
        self.committer = Committer(directory, self.journal, self._missing, self.tick)
        self._run = run
        self.finder = self._new_finder(settings)
        self.index = FollowingIndex(files, directory / INDEX, settings.rescan_seconds, self)
        self.index.use(self.finder.begin, fresh=True)
        _old_index(directory)

    def start(self) -> None:
        """Begin to commit."""
        self.committer.start()

    def configure(self, settings: Settings) -> None:
        """Apply changed settings from now on."""
        with self.lock:
            if model_of(settings) != model_of(self.settings):
                self.finder.close()
                self.finder = self._new_finder(settings)
                self.index.use(self.finder.begin)
            self.settings = settings
            self.index.files = MemoryFiles(self.directory, settings.content_max)
            self.index.rescan_seconds = settings.rescan_seconds
            if parameters_of(settings) != self.lives.parameters:
                self.lives.parameters = parameters_of(settings)
                self.index.change(self.lives.recount)

    def close(self) -> None:
        """Write down and commit what waits; close the index."""
        self.tick()
        self.committer.close()
        with self.lock:
            self.finder.close()
            self.index.close()

    def _new_finder(self, settings: Settings) -> Finder:
        vectors = Vectors(self._run, model_of(settings))
        return Finder(self.directory / PLACE, vectors, self.lives, self.entry)

    @property
    def files(self) -> MemoryFiles:
        """The truth."""
        return self.index.files

    def opened(self, index: Index) -> None:
        """A new index begins with what is known of the memories' lives."""
        self.lives.catch_up(index)
        self.committer.compare()

    def noticed(self, index: Index, found: list[Noticed]) -> None:
        """Somebody changed files with another program: it becomes part of their lives."""
        now, (who, token) = time.time(), self.unannounced
        if self.quiet:
            for one in found:
                self._tell(index, self.judged(index, one.entry, now) if one.entry else [])
            return
        moved = {one.before.id: one.path for one in found if one.entry is None and one.before}
        events: list[Event] = []
        for one in found:
            if one.entry is not None:
                events += self._seen(index, one, moved.pop(one.entry.id, None), now)
        events += [
            new_event(now, name, "gone", by=who, path=path)
            for name, path in moved.items()
            if name is not None
        ]
        if token:
            events = [
                new_event(e.time, e.memory, "restored", by=who, path=e.path, about=token)
                if e.kind in ("edited", "noticed", "gone") else e
                for e in events
            ]  # fmt: skip
        if events:
            self._tell(index, events)
            changes = tuple(OnDisk(one.path, None) for one in found)
            about = f"{who}: {len(found)} file{'s' if len(found) > 1 else ''}"
            self.committer.add(Revision(who, about, int(now), changes))

    def _seen(self, index: Index, one: Noticed, old: str | None, now: float) -> list[Event]:
        entry, who = one.entry, self.unannounced[0]
        if entry is None:
            return []
        known = self.lives.of(index, entry.id)
        kind, about = "edited", ""
        if old is not None and old != one.path:
            was = old.startswith("archive/")
            kind = "edited" if was == entry.archived else "forgotten" if entry.archived else (
                "unforgotten"
            )  # fmt: skip
            about = f"moved from {old}"
        elif one.before is None:
            if known and known[-1].kind not in ("gone", "purged"):
                # The index was built anew; if the file is another one too, git will show it.
                self.committer.compare()
                return []
            kind = "noticed"
        event = new_event(now, entry.id, kind, by=who, path=one.path, about=about)
        return [event, *self.judged(index, entry, now)]

    def judged(self, index: Index, entry: Entry, now: float) -> list[Event]:
        """What a new text of `entry` does to others: it may contradict some, or no longer."""
        text = said(entry.content)
        against = {name: text_of for name, text_of in self._opposed(index, entry)}
        before = set(self.lives.contradicting(index, entry.id))
        found: list[Event] = []
        if not entry.archived:
            found += [
                new_event(now, name, "contradicted", by=entry.source or HAND, other=entry.id,
                          about=why)
                for name, why in against.items() if name not in before
            ]  # fmt: skip
        ended = before if entry.archived else before - against.keys()
        found += [new_event(now, name, "reconciled", other=entry.id, path="") for name in ended]
        for name in self.lives.state(index, entry.id).contradicted_by:
            other = self.entry(index, name)
            if other is None or other.archived or not contradiction(said(other.content), text):
                found.append(new_event(now, entry.id, "reconciled", other=name))
        return found

    def _opposed(self, index: Index, entry: Entry) -> list[tuple[str, str]]:
        text, found = said(entry.content), []
        for one in index.by_keys(keys(text)):
            other = None if one.id == entry.id or one.archived else self.said_by(one)
            if other is not None and (why := contradiction(text, other)):
                found.append((one.id, why))
        return found

    def said_by(self, one: Alike) -> Said | None:
        """What a memory says, remembered by its file's hash: many are compared again and again."""
        known = self._said.get(one.sha256)
        if known is None and (entry := self.read(one.path)) is not None:
            known = self._said[one.sha256] = said(entry.content)
            while len(self._said) > MOST_SAID:
                del self._said[next(iter(self._said))]
        return known

    def entry(self, index: Index, name: str) -> Entry | None:
        """A memory by its id, as its file says it."""
        path = index.path_of(name)
        found = self.read(path) if path else None
        return found if found is not None and found.id == name else None

    def read(self, path: str) -> Entry | None:
        """A memory by its path, or None for what cannot be read."""
        try:
            return self.files.read(path)
        except (OSError, DocumentError, MesoError):
            return None

    def find(self, name: str) -> Entry:
        """One memory as its file says it now. Raises `memory.not_found`."""
        for fresh in (False, True):
            found = self.index.use(lambda index: self.entry(index, name), fresh=fresh)
            if found is not None:
                return found
        raise MesoError(
            "memory.not_found",
            f"no memory has the id {name!r}",
            status=404,
            hint="GET /v1/search finds memories by their words",
        )

    def record(self, entry: Entry, events: list[Event], message: str, who: str, *,
               gone: str = "") -> None:  # fmt: skip
        """Take in a file that was just written, with its events; have it committed."""

        def work(index: Index) -> None:
            if gone:
                index.remove([gone])
            self.index.follow(index, entry.path)
            self._tell(index, [*events, *self.judged(index, entry, time.time())])

        self.index.change(work)
        self.index.use(self.finder.sync)
        changes = [Change(gone, None)] if gone else []
        changes.append(Change(entry.path, entry.raw))
        self.committer.add(Revision(who, message, int(time.time()), tuple(changes)))

    def _tell(self, index: Index, events: list[Event]) -> None:
        try:
            self.lives.tell(index, events)
        except OSError as problem:
            raise storage_error(problem, self.directory / LIVES) from problem

    def used(self, names: list[str], kind: str, by: str) -> None:
        """Somebody read or found memories. It is written down within a second."""
        now = time.time()
        with self.lock:
            for name in names:
                key = (name, kind, int(now // 3600))
                if key not in self._used:
                    self._uses.setdefault(key, new_event(now, name, kind, by=by))

    def tick(self) -> None:
        """Write down the uses since the last time; now and then look for edits by hand."""
        self._watch()
        self.tell_uses()
        self._embed()

    def tell_uses(self) -> None:
        """Write down the uses since the last time."""
        with self.lock:
            uses, self._uses = self._uses, {}
            try:
                self._tend(list(uses.values()))
                # Once an hour for each; a later one in the same hour would hardly count.
                self._used |= dict.fromkeys(uses)
                while len(self._used) > 100_000:
                    del self._used[next(iter(self._used))]
            except MesoError as problem:
                _log.warning("the index is not brought up", reason=problem.message)

    def _tend(self, uses: list[Event]) -> None:
        """What need not be done while somebody waits."""

        def work(index: Index) -> None:
            self._tell(index, uses)
            self.finder.tidy(index)

        self.index.change(work)
        self.index.use(lambda i: self.finder.strengthen(i, sorted({e.memory for e in uses})))
        self.index.use(self.finder.refresh)
        self.finder.tend(0.05)

    def _embed(self) -> None:
        """Make up for some vectors. Whoever embeds is not waited for under the lock."""
        with self.lock:
            lacking = self.index.use(lambda index: self.finder.lacking(index, EMBED))
            finder = self.finder
        if lacking and finder.vectors.several([text_of(e.content) for e in lacking]) is not None:
            with self.lock:
                self.index.use(lambda index: self.finder.take(index, lacking))

    @contextlib.contextmanager
    def restoring(self, token: str) -> Iterator[None]:
        """Around a restore: nobody writes, the old head is tagged, what changed is committed."""
        self.committer.flush()
        with self.committer.exclusive(), self.lock:
            self.index.use(lambda index: index.count(), fresh=True)
            self.committer.flush()
            self.committer.tag(f"before-restore-{token}")
            self.unannounced = ("checkpoint restore", token)
            try:
                yield
                self.index.use(lambda index: index.count(), fresh=True)
            finally:
                self.unannounced = (HAND, "")
        self.committer.flush(journal=True)

    def caught_up(self) -> None:
        """After a sync: files and lives came together, and what changed is in git already.

        Contradictions between what was here and what came are found now.
        """
        self.quiet = True
        try:
            self.index.change(self.lives.read_all)
            self.index.use(lambda index: index.count(), fresh=True)
        finally:
            self.quiet = False
        self.index.use(self.finder.sync)

    def reindex(self) -> int:
        """Build all that is derived from the files. Returns the number of memories."""
        with self.lock:
            self.index.rebuild()
            self.index.use(self.finder.rebuild)
            return self.index.use(lambda index: index.count())

    def purged(self) -> None:
        """A memory is gone for good; whatever else is derived from it goes too."""
        self._said.clear()
        self.index.use(self.finder.scrub)

    def without_vector(self, index: Index) -> int:
        """How many memories are findable by words alone."""
        return index.without_vector_count()

    def _watch(self) -> None:
        if time.monotonic() - self._watched < self.settings.watch_seconds:
            return
        self._watched = time.monotonic()
        try:
            self.in_lock(lambda index: index.count(), fresh=True)
            self.incoming()
        except (MesoError, OSError, CommandError) as problem:
            _log.warning("cannot look for edits by hand", reason=str(problem))

    def in_lock(self, work: Callable[[Index], T], *, fresh: bool = False) -> T:
        """Do some work on an index that is up to date."""
        with self.lock:
            return self.index.use(work, fresh=fresh)

    def _missing(self, tree: Mapping[str, str]) -> list[Revision]:
        """What the files say and git does not know: after a crash, and the first time."""
        with self.lock:
            blobs, known = self.index.use(lambda i: (i.blobs(), i.known()), fresh=True)
            differing = [path for path in blobs if tree.get(path) != blobs[path]]
            differing += [p for p in tree if p not in known and not p.startswith(f"{LIVES}/")]
            by: dict[str, list[str]] = {}
            for path in sorted(differing):
                by.setdefault(self._author(known[path].id if path in known else None), []).append(
                    path
                )
        return [
            Revision(who, f"what git lacked: {len(paths)} files", int(time.time()),
                     tuple(OnDisk(path, None) for path in paths))
            for who, paths in sorted(by.items())
        ]  # fmt: skip

    def _author(self, name: str | None) -> str:
        if name is None:
            return HAND
        events = self.index.use(lambda index: self.lives.of(index, name))
        return next((event.by for event in reversed(events) if event.by), HAND)


def _old_index(directory: Path) -> None:
    """What a version before this one derived."""
    for suffix in ("", "-journal"):
        (directory / f".index/search.sqlite3{suffix}").unlink(missing_ok=True)
