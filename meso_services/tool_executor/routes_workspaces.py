"""The routes of workspaces beyond making them: snapshots, branches, merges."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Query

from meso_services.contract import tools
from meso_services.contract import workspaces as wire
from meso_services.runtime.app import errors
from meso_services.tool_executor.shadow.carrying import Carrier
from meso_services.tool_executor.shadow.desk import Desk

_ERRORS = errors(404, 409, 507)


def add(app: FastAPI, desk: Desk, carrier: Carrier) -> None:
    """Give `app` the routes below `/v1/workspaces`."""

    @app.post("/v1/workspaces/branch", status_code=201, responses=_ERRORS)
    def branch(wanted: wire.BranchWorkspace) -> tools.WorkspaceReply:
        """A workspace with the files of another one."""
        created = desk.branch(wanted)
        return tools.WorkspaceReply(session=wanted.session, branch=wanted.to, created=created)

    @app.post("/v1/workspaces/snapshot", responses=_ERRORS)
    def snapshot(wanted: wire.SnapshotRequest) -> wire.Snapshot:
        """Keep every file: ignored and untracked ones and nested repositories too."""
        return desk.snapshot(wanted)

    @app.post("/v1/workspaces/restore", responses=_ERRORS)
    def restore(wanted: wire.RestoreRequest) -> wire.Restored:
        """Make the files what a snapshot says. What is there now is kept as one first."""
        return desk.restore(wanted)

    @app.post("/v1/workspaces/merge", responses=_ERRORS)
    def merge(wanted: wire.MergeRequest) -> wire.WorkspaceMerged:
        """Merge the files of one branch into another's, by git. Conflicts are named."""
        return desk.merge(wanted)

    @app.post("/v1/workspaces/diff", responses=_ERRORS)
    def diff(wanted: wire.DiffRequest) -> wire.WorkspaceDiff:
        """What differs between two snapshots or workspaces."""
        return desk.diff(wanted)

    @app.get("/v1/workspaces/{session}/{branch}/snapshots/{snapshot}", responses=_ERRORS)
    def bundle(
        session: Annotated[tools.WorkspaceName, Path()],
        branch: Annotated[tools.WorkspaceName, Path()],
        snapshot: Annotated[wire.SnapshotId, Path()],
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> wire.BundlePiece:
        """A snapshot with everything in it, to be carried elsewhere, piece by piece."""
        return carrier.piece(tools.WorkspaceRef(session=session, branch=branch), snapshot, offset)

    @app.post("/v1/workspaces/snapshots", responses=_ERRORS)
    def unbundle(piece: wire.BundlePiece) -> wire.BundleState:
        """Take in a snapshot that was made elsewhere. Piece 0 begins anew."""
        return carrier.take(piece)
