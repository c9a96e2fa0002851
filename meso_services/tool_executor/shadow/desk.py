"""What is asked about workspaces: branch, snapshot, restore, merge, compare."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path

from meso_services.contract import workspaces as wire
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.tool_executor.occupied import Occupied
from meso_services.tool_executor.shadow.git import Repository, ref
from meso_services.tool_executor.shadow.snapshots import Snapshots
from meso_services.tool_executor.shadow.tree import decoded
from meso_services.tool_executor.workspaces import Workspaces

MOST_PATCH = 1 << 20
_CHANGES = {"A": "added", "D": "removed"}


class Desk:
    """Answers for all workspaces; one request of a session at a time.

    `place` is outside of every sandbox: a repository for each session.
    """

    def __init__(
        self, workspaces: Workspaces, place: Path, occupied: Occupied | None = None
    ) -> None:
        self._workspaces = workspaces
        self._place = place
        self._occupied = occupied or Occupied()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def lock(self, session: str) -> threading.Lock:
        """Held by whoever works on a session's repository."""
        return self._locks[session]

    def repository(self, session: str) -> Repository:
        """The repository of a session. It may not be there yet."""
        return Repository(self._place / f"{session}.git")

    def branch(self, wanted: wire.BranchWorkspace) -> bool:
        """A workspace with the files of another one. Raises `workspace.exists`."""
        with self._locks[wanted.session]:
            source = self._workspaces.find(wanted.session, wanted.branch)
            snapshots = self._of(wanted.session)
            if (wanted.session, wanted.to) in self._workspaces.list():
                raise MesoError(
                    "workspace.exists",
                    f"session {wanted.session} has a workspace {wanted.to}",
                    status=409,
                    hint="take another name for the branch",
                )
            taken = snapshots.take(wanted.session, wanted.branch, source, f"branch {wanted.to}")
            at = wanted.snapshot or taken.snapshot
            snapshots.repository.tree_of(at)
            self._workspaces.create(wanted.session, wanted.to)
            snapshots.repository.run("update-ref", ref(wanted.to), at)
            self._restored(snapshots, wanted.session, wanted.to, at)
            return True

    def snapshot(self, wanted: wire.SnapshotRequest) -> wire.Snapshot:
        """Keep all files as they are."""
        with self._locks[wanted.session]:
            place = self._workspaces.find(wanted.session, wanted.branch)
            return self._of(wanted.session).take(wanted.session, wanted.branch, place, wanted.note)

    def restore(self, wanted: wire.RestoreRequest) -> wire.Restored:
        """Make the files what a snapshot says; what was there is a snapshot too.

        Raises `workspace.busy` while a call uses them, and no call begins meanwhile.
        """
        with (
            self._locks[wanted.session],
            self._occupied.alone(wanted.session, wanted.branch),
        ):
            snapshots = self._of(wanted.session)
            snapshots.repository.tree_of(wanted.snapshot)
            self._workspaces.create(wanted.session, wanted.branch)
            place = self._workspaces.find(wanted.session, wanted.branch)
            before = snapshots.take(wanted.session, wanted.branch, place, "before a restore")
            self._restored(snapshots, wanted.session, wanted.branch, wanted.snapshot)
        return wire.Restored(
            session=wanted.session,
            branch=wanted.branch,
            snapshot=wanted.snapshot,
            before=before.snapshot,
        )

    def merge(self, wanted: wire.MergeRequest) -> wire.WorkspaceMerged:
        """Git's own merge, three-way over the snapshots' common ancestor. As alone as a restore."""
        with (
            self._locks[wanted.session],
            self._occupied.alone(wanted.session, wanted.target),
        ):
            target = self._workspaces.find(wanted.session, wanted.target)
            source = self._workspaces.find(wanted.session, wanted.source)
            snapshots = self._of(wanted.session)
            note = f"merge of {wanted.source}"
            ours = snapshots.take(wanted.session, wanted.target, target, f"before the {note}")
            theirs = snapshots.take(wanted.session, wanted.source, source, note)
            tree, conflicts = self._merged(snapshots.repository, ours.snapshot, theirs.snapshot)
            if tree == ours.tree:
                return wire.WorkspaceMerged(
                    state="unchanged", before=ours.snapshot, snapshot=ours.snapshot
                )
            made = snapshots.repository.commit(tree, (ours.snapshot, theirs.snapshot), note)
            snapshots.repository.run("update-ref", ref(wanted.target), made)
            self._restored(snapshots, wanted.session, wanted.target, made)
        return wire.WorkspaceMerged(
            state="conflicts" if conflicts else "merged",
            before=ours.snapshot,
            snapshot=made,
            conflicts=conflicts,
        )

    def diff(self, wanted: wire.DiffRequest) -> wire.WorkspaceDiff:
        """What differs between two snapshots, or workspaces as they are now."""
        with self._locks[wanted.session]:
            old, new = (self._named(wanted.session, name) for name in (wanted.old, wanted.new))
            repository = self._of(wanted.session).repository
            raw = repository.run("diff-tree", "-r", "-z", "--no-renames", "--name-status", old, new)
            words = raw.stdout.split(b"\0")
            files = tuple(
                wire.FileChange.model_validate(
                    {"path": decoded(path).decode(errors="replace"),
                     "change": _CHANGES.get(kind.decode(), "changed")}
                )
                for kind, path in zip(words[::2], words[1::2], strict=False)
            )  # fmt: skip
            patch = repository.run("diff-tree", "-r", "-p", "--no-color", "--no-ext-diff",
                                   "--no-textconv", old, new).stdout  # fmt: skip
        text = patch[:MOST_PATCH].decode(errors="replace")
        return wire.WorkspaceDiff(files=files, patch=text, cut=len(patch) > MOST_PATCH)

    def _merged(
        self, repository: Repository, ours: str, theirs: str
    ) -> tuple[str, tuple[str, ...]]:
        done = repository.run("merge-tree", "--write-tree", "--allow-unrelated-histories", "-z",
                              "--no-messages", "--name-only", ours, theirs,
                              fine=(0, 1))  # fmt: skip
        tree, *paths = done.stdout.split(b"\0")
        named = sorted({decoded(path).decode(errors="replace") for path in paths if path})
        return tree.decode().strip(), tuple(named)

    def _named(self, session: str, name: str) -> str:
        if (session, name) in self._workspaces.list():
            place = self._workspaces.find(session, name)
            return self._of(session).take(session, name, place, "compared").snapshot
        repository = self._of(session).repository
        repository.tree_of(name)
        return name

    def _restored(self, snapshots: Snapshots, session: str, branch: str, snapshot: str) -> None:
        place = self._workspaces.find(session, branch)
        try:
            snapshots.restore(branch, place, snapshot)
        except OSError as problem:
            raise storage_error(problem, place) from problem
        snapshots.forget(branch)

    def _of(self, session: str) -> Snapshots:
        return Snapshots(self.repository(session))
