"""Exchange memories with another repository on this machine: both ways, by git.

Everything that is fetched is looked at before it becomes a file: only memories and the files of
their lives, below the size that a memory may have. The merge is a commit that comes out the same
wherever it is made (parents in order, times from them), so two sides that merge the same two
histories have the same history afterwards. A service reaches no network: whoever carries a
repository from one machine to another (a stick, a mount, `git push` by the operator) does that.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from meso_services.contract import memory as wire
from meso_services.contract.snapshots import MemoryPath
from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager import rewriting
from meso_services.memory_manager.files import HEAD_BYTES, entry_of
from meso_services.memory_manager.journal import PLACE as LIVES
from meso_services.memory_manager.journal import parse
from meso_services.memory_manager.life import Event
from meso_services.memory_manager.merging import Merged, merge
from meso_services.memory_manager.purging import Purging
from meso_services.memory_manager.repository import BRANCH, Change, Repository, Revision, committed
from meso_services.memory_manager.store import Caller, MemoryStore
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

REMOTE = "refs/meso/remote/main"
INCOMING = "refs/meso/incoming"
MOST_LIFE = 64 << 20
_LIFE = re.compile(rf"{re.escape(LIVES)}/[A-Za-z0-9]{{1,64}}/\d{{4}}-\d\d-\d\d\.jsonl")
_PATH: TypeAdapter[str] = TypeAdapter(MemoryPath)


@dataclass
class Trees:
    """The files of three commits that are not equal in all of them, and the equal ones' blobs."""

    base: dict[str, bytes] = field(default_factory=dict)
    ours: dict[str, bytes] = field(default_factory=dict)
    theirs: dict[str, bytes] = field(default_factory=dict)
    left_out: int = 0


class Syncing:
    """Syncs one store. One at a time: the committer's lock is held."""

    def __init__(self, store: MemoryStore, purging: Purging) -> None:
        self._store, self._purging = store, purging

    @property
    def _repository(self) -> Repository:
        return self._store.committer.repository

    def sync(self, remote: str, caller: Caller, *, dry_run: bool) -> wire.SyncReply:
        """Take what the other side has, and give it what is here.

        Raises `memory.no_remote`, `memory.sync_raced`, `memory.git_failed`, `storage.*`.
        """
        url, live = _place(remote, self._store.directory)
        # What was used a moment ago goes along.
        self._store.tell_uses()
        self._store.committer.flush(journal=True)
        with self._store.committer.exclusive(), self._store.lock:
            self._store.index.use(lambda index: index.count(), fresh=True)
            self._store.committer.flush(journal=True)
            if self._store.committer.problem:
                raise MesoError("memory.git_failed", self._store.committer.problem, status=503)
            fetched = self._fetch(url)
            there = self._repository.tree(fetched)
            reply = self._merge(REMOTE, caller, dry_run=dry_run) if fetched else _nothing(dry_run)
            head = self._repository.head() or ""
            if not dry_run and head and head != fetched:
                self._push(url, fetched, live=live)
            note = "the other instance takes it in by itself shortly" if live else ""
            given = _differing(there, self._repository.tree(head or None))
        return reply.model_copy(update={"given": given, "head": head, "note": note,
                                        "settled": head == fetched and not dry_run})  # fmt: skip

    def take_incoming(self) -> None:
        """Merge what another instance has left here."""
        place = self._repository.place / INCOMING
        if not place.is_dir() or not any(place.iterdir()):
            return
        self._store.committer.flush(journal=True)
        with self._store.committer.exclusive(), self._store.lock:
            for file in sorted(place.iterdir()):
                self._merge(f"{INCOMING}/{file.name}", Caller(f"sync {file.name}"), dry_run=False)
                self._repository.run("update-ref", "-d", f"{INCOMING}/{file.name}")

    def _fetch(self, url: str) -> str | None:
        self._repository.run("update-ref", "-d", REMOTE)
        found = self._repository.run("ls-remote", url, BRANCH, allow="file")
        if not found.strip():
            return None
        self._repository.run(
            "-c", "fetch.fsckObjects=true", "fetch", "-q", "--no-tags", "--no-write-fetch-head",
            "--no-auto-gc", url, f"+{BRANCH}:{REMOTE}", allow="file",
        )  # fmt: skip
        return self._repository.commit_of(REMOTE)

    def _push(self, url: str, fetched: str | None, *, live: bool) -> None:
        """What is here; never over something that came meanwhile."""
        lease = f"--force-with-lease={BRANCH}:{fetched or ''}"
        target = f"{BRANCH}:{BRANCH}"
        if live:
            lease, target = "--force", f"{BRANCH}:{INCOMING}/{self._store.journal.instance}"
        try:
            self._repository.run("push", "-q", lease, url, target, allow="file")
        except MesoError as problem:
            if "stale info" in problem.message or "rejected" in problem.message:
                raise MesoError(
                    "memory.sync_raced", f"{url} got something new meanwhile", status=409,
                    hint="sync again",
                ) from None  # fmt: skip
            raise

    def _merge(self, ref: str, caller: Caller, *, dry_run: bool) -> wire.SyncReply:
        purged = [] if dry_run else self._purge_theirs(ref, caller)
        theirs = self._repository.commit_of(ref) or ""
        head = self._repository.head()
        ours = head or ""
        base = self._base(ours, theirs) if ours else None
        if ours == theirs or (base == theirs and base is not None):
            return _nothing(dry_run, purged)
        trees = self._trees(base, head, theirs)
        merged = merge(trees.base, trees.ours, trees.theirs, self._tombs())
        changes = _changes(trees.ours, merged.files)
        if not dry_run:
            self._apply(changes)
            self._commit(head, theirs, base, merged, trees)
            self._store.caught_up()
        return wire.SyncReply(
            taken=sum(c.raw is not None for c in changes if c.path.endswith(".md")),
            removed=sum(c.raw is None for c in changes if c.path.endswith(".md")),
            given=0, conflicts=tuple(merged.conflicts), purged=tuple(purged),
            left_out=trees.left_out, head="", settled=False, dry_run=dry_run,
        )  # fmt: skip

    def _purge_theirs(self, ref: str, caller: Caller) -> list[str]:
        """What the other side purged goes here too; what was purged here goes from theirs."""
        there = self._tree_of_lives(ref)
        known = self._tombs()
        new = [event for event in there if event.kind == "purged" and event.memory not in known]
        for event in sorted({e.memory: e for e in new}.values()):
            self._purging.take(event, caller)
        if new:
            self._store.committer.flush(journal=True)
        blobs = {word for e in [*there, *self._tomb_events()] if e.kind == "purged"
                 for word in e.about.split() if len(word) == 40}  # fmt: skip
        left = {b for b in blobs if rewriting.there(self._repository, b)}
        if left:
            rewriting.rewrite(self._repository, left)
        return [event.memory for event in new]

    def _tree_of_lives(self, ref: str) -> list[Event]:
        tree = self._repository.tree(self._repository.commit_of(ref))
        blobs = [blob for path, blob in tree.items() if _LIFE.fullmatch(path)]
        raws = self._repository.blobs(sorted(set(blobs)))
        return [event for raw in raws.values() for event in parse(raw)]

    def _tomb_events(self) -> list[Event]:
        return self._store.index.use(lambda i: self._store.lives.kind(i, "purged"))

    def _tombs(self) -> frozenset[str]:
        return frozenset(event.memory for event in self._tomb_events())

    def _base(self, ours: str, theirs: str) -> str | None:
        """The common ancestor; of several the one that sorts first, whoever asks."""
        raw = self._repository.run("merge-base", "--all", ours, theirs, fine=(0, 1))
        return min(raw.decode().split(), default=None)

    def _trees(self, base: str | None, ours: str | None, theirs: str) -> Trees:
        found = Trees()
        b, o, t = (self._repository.tree(one) for one in (base, ours, theirs))
        fit = {path for path in t if self._fits(path)}
        found.left_out = len(t) - len(fit) + self._repository.others(theirs)
        paths = {p for p in b.keys() | o.keys() | t.keys() if not b.get(p) == o.get(p) == t.get(p)}
        wanted = sorted({blob for tree in (b, o, t) for p, blob in tree.items() if p in paths})
        raws = self._repository.blobs(wanted)
        for tree, into in ((b, found.base), (o, found.ours), (t, found.theirs)):
            for path in paths & tree.keys():
                if tree is not t or path in fit:
                    into[path] = raws[tree[path]]
        for path in list(found.theirs):
            if not self._small(path, found.theirs[path]):
                del found.theirs[path]
                found.left_out += 1
        return found

    def _fits(self, path: str) -> bool:
        if _LIFE.fullmatch(path):
            return True
        with contextlib.suppress(ValidationError):
            _PATH.validate_python(path)
            return all(len(part.encode()) <= 255 for part in path.split("/"))
        return False

    def _small(self, path: str, raw: bytes) -> bool:
        if path.startswith(f"{LIVES}/"):
            return len(raw) <= MOST_LIFE
        if len(raw) > self._store.files.max_bytes + HEAD_BYTES:
            return False
        try:
            entry_of(path, raw)
        except DocumentError:
            return False
        return True

    def _apply(self, changes: list[Change]) -> None:
        """The files first: a crash after them is found by comparing, and loses nothing."""
        for change in changes:
            place = self._store.directory / change.path
            try:
                if change.raw is None:
                    self._store.files.remove(change.path)
                elif change.path.startswith(f"{LIVES}/"):
                    durable.make_directories(place.parent, below=self._store.directory)
                    durable.write(place, change.raw)
                else:
                    self._store.files.put_raw(change.path, change.raw)
            except OSError as problem:
                raise storage_error(problem, place) from problem

    def _commit(
        self, ours: str | None, theirs: str, base: str | None, merged: Merged, trees: Trees
    ) -> None:
        """Forward to theirs if nothing is ours alone; else the merge commit."""
        if _changes(trees.theirs, merged.files) == [] and base == ours and not trees.left_out:
            self._repository.run("update-ref", BRANCH, theirs)
            return
        parents = sorted(filter(None, (ours, theirs)))
        times = [self._repository.run("show", "-s", "--format=%ct", one) for one in parents]
        first = trees.ours if parents[0] == ours else self._all_of(theirs, trees)
        changes = tuple(_changes(first, merged.files))
        revision = Revision("MESO memory manager", "Sync of two histories\n",
                            max(map(int, times)), changes)  # fmt: skip
        self._repository.fast_import(committed(revision, parents) + b"done\n", force=True)

    def _all_of(self, theirs: str, trees: Trees) -> dict[str, bytes]:
        """Theirs with what was left out, which the merge must not contain."""
        files = self._repository.tree(theirs)
        links = [path for path, _ in self._repository.entries(theirs) if path not in files]
        known = trees.ours.keys() | trees.base.keys()
        unfit = [path for path in files if not self._fits(path)]
        large = [path for path in files if path in known and path not in trees.theirs]
        return trees.theirs | dict.fromkeys((*links, *unfit, *large), b"")


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """How many memories of `other` are not so in `one`, or are only there."""
    paths = one.keys() | other.keys()
    return sum(one.get(path) != other.get(path) for path in paths if path.endswith(".md"))


def _changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[Change]:
    paths = sorted(before.keys() | after.keys())
    return [Change(p, after.get(p)) for p in paths if before.get(p) != after.get(p)]


def _nothing(dry_run: bool, purged: list[str] | None = None) -> wire.SyncReply:
    return wire.SyncReply(taken=0, removed=0, given=0, conflicts=(), purged=tuple(purged or ()),
                          left_out=0, head="", settled=False, dry_run=dry_run)  # fmt: skip


def _place(remote: str, own: Path) -> tuple[str, bool]:
    """Where the repository is, and whether an instance lives in it."""
    if "://" in remote or not remote.startswith("/"):
        raise MesoError(
            "memory.no_remote", f"{remote!r} is no absolute path", status=422,
            hint="this service reaches no network; name a repository on this machine",
        )  # fmt: skip
    path = Path(remote)
    place = path / ".git" if (path / ".git").is_dir() else path
    if not (place / "HEAD").is_file() or not (place / "objects").is_dir():
        raise MesoError(
            "memory.no_remote", f"there is no git repository at {remote}", status=404,
            hint=f"make one: git init --bare {remote}; the user meso-memory-manager must reach it",
        )  # fmt: skip
    if place.resolve() == (own / ".git").resolve():
        raise MesoError("memory.no_remote", "that is this memory itself", status=422)
    return str(place), (place.parent / ".instance").exists() and place.name == ".git"
