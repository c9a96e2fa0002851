"""The files of a branch, which the tool executor owns."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from meso_services.contract import workspaces as wire
from meso_services.contract.branches import Conflict
from meso_services.contract.client import CallError, Connection
from meso_services.contract.tools import WorkspaceReply, WorkspacesReply
from meso_services.runtime.errors import MesoError

T = TypeVar("T")
SERVICE = "tool-executor"
NO_WORKSPACE = frozenset({"tools.no_such_workspace"})
SECONDS = 300.0


class Workspaces:
    """Asks the tool executor on its socket below `run`."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def branch(self, session: str, source: str, target: str, snapshot: str | None = None) -> str:
        """Give a new branch the files of another one, as they are or as a snapshot has them; say
        what came of it, in a word.
        """
        wanted = wire.BranchWorkspace.model_validate(
            {"session": session, "branch": source, "to": target}
            | ({"snapshot": snapshot} if snapshot else {})
        )
        try:
            self._ask(lambda c: c.post("/v1/workspaces/branch", wanted, WorkspaceReply))
        except MesoError as problem:
            return "none" if problem.code in NO_WORKSPACE else problem.message
        return "branched"

    def snapshot(self, session: str, branch: str, note: str) -> wire.Snapshot | None:
        """Keep all files as they are; None where the branch has no workspace. Raises."""
        wanted = wire.SnapshotRequest(session=session, branch=branch, note=note)
        try:
            return self._ask(lambda c: c.post("/v1/workspaces/snapshot", wanted, wire.Snapshot))
        except MesoError as problem:
            if problem.code in NO_WORKSPACE:
                return None
            raise

    def has(self, session: str, branch: str) -> bool:
        """True if the branch has files. Raises MesoError."""
        found = self._ask(lambda c: c.get("/v1/workspaces", WorkspacesReply))
        return any((one.session, one.branch) == (session, branch) for one in found.workspaces)

    def differing(self, session: str, old: str, branch: str) -> list[str]:
        """Paths that differ between a snapshot and the files as they are now. Raises MesoError."""
        wanted = wire.DiffRequest(session=session, old=old, new=branch)
        found = self._ask(lambda c: c.post("/v1/workspaces/diff", wanted, wire.WorkspaceDiff))
        return [file.path for file in found.files]

    def restore(self, session: str, branch: str, snapshot: str) -> wire.Restored:
        """Make the files what a snapshot says. Raises MesoError."""
        wanted = wire.RestoreRequest(session=session, branch=branch, snapshot=snapshot)
        return self._ask(lambda c: c.post("/v1/workspaces/restore", wanted, wire.Restored))

    def bundle(self, session: str, branch: str, snapshot: str) -> Iterator[wire.BundlePiece]:
        """A snapshot with all that is in it, piece by piece. Raises MesoError."""
        path, offset, last = f"/v1/workspaces/{session}/{branch}/snapshots/{snapshot}", 0, False
        while not last:
            piece = self._piece(path, offset)
            yield piece
            offset, last = offset + len(base64.b64decode(piece.data)), piece.last

    def _piece(self, path: str, offset: int) -> wire.BundlePiece:
        return self._ask(lambda c: c.get(path, wire.BundlePiece, offset=offset))

    def unbundle(self, pieces: Iterable[wire.BundlePiece]) -> None:
        """Take in a snapshot that was made elsewhere. Raises MesoError."""
        for piece in pieces:
            self._give(piece)

    def _give(self, piece: wire.BundlePiece) -> None:
        self._ask(lambda c: c.post("/v1/workspaces/snapshots", piece, wire.BundleState, once=True))

    def merge(
        self, session: str, source: str, target: str
    ) -> tuple[str, tuple[Conflict, ...], str | None]:
        """Merge the files of two branches: what came of it, the files in conflict, and the
        snapshot that brings back what was.
        """
        wanted = wire.MergeRequest(session=session, source=source, target=target)
        try:
            made = self._ask(lambda c: c.post("/v1/workspaces/merge", wanted, wire.WorkspaceMerged))
        except MesoError as problem:
            return ("none" if problem.code in NO_WORKSPACE else problem.message), (), None
        found = tuple(
            Conflict(kind="file", name=path, ours=made.before, theirs=source)
            for path in made.conflicts
        )
        return made.state, found, None if made.state == "unchanged" else made.before

    def _ask(self, call: Callable[[Connection], T]) -> T:
        return ask(self._run, SERVICE, call)


def ask(run: Path, service: str, call: Callable[[Connection], T]) -> T:
    """A call of another service; its errors are ours, with the same codes. Raises MesoError."""
    try:
        with Connection(service, run, timeout=SECONDS, patience=0) as connection:
            return call(connection)
    except CallError as problem:
        raise MesoError(
            problem.code,
            f"{service}: {problem.info.message}",
            # Its own words for a request; whatever else is wrong there is no mistake of ours.
            status=problem.status if problem.status in (404, 409, 422, 507) else 503,
            hint=problem.info.hint,
        ) from problem
