"""Messages of workspaces: the tool executor owns the files, the session manager asks for these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meso_services.contract.common import Message
from meso_services.contract.tools import WorkspaceName, WorkspaceRef

SnapshotId = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class BranchWorkspace(WorkspaceRef):
    """`POST /v1/workspaces/branch`: a workspace `to` with the files of another one."""

    to: WorkspaceName
    snapshot: SnapshotId | None = Field(
        default=None, description="As they were then, instead of as they are"
    )


class SnapshotRequest(WorkspaceRef):
    """`POST /v1/workspaces/snapshot`: keep all files of a workspace as they are now."""

    note: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x08\x0e-\x1f\x7f]*$")] = ""


class Snapshot(Message):
    """A snapshot: every file, ignored and untracked ones and nested repositories too."""

    session: str
    branch: str
    snapshot: str
    tree: str = Field(description="Equal for equal files")
    changed: bool = Field(description="The files are not those of the snapshot before")
    files: int
    left_out: tuple[str, ...] = Field(
        default=(), description="What no snapshot can hold: sockets, pipes, devices"
    )


class RestoreRequest(WorkspaceRef):
    """`POST /v1/workspaces/restore`: make the files what a snapshot says.

    What is there now is kept as a snapshot first, so a restore can be undone.
    """

    snapshot: SnapshotId


class Restored(Message):
    """The files are those of `snapshot`; `before` is the snapshot of what was there."""

    session: str
    branch: str
    snapshot: str
    before: str | None


class MergeRequest(Message):
    """`POST /v1/workspaces/merge`: git's own merge of one workspace's files into another's."""

    session: WorkspaceName
    source: WorkspaceName
    target: WorkspaceName


class WorkspaceMerged(Message):
    """Conflicting files hold git's conflict marks; the snapshot `before` brings back what was."""

    state: Literal["merged", "unchanged", "conflicts"]
    before: str
    snapshot: str
    conflicts: tuple[str, ...] = ()


class DiffRequest(Message):
    """`POST /v1/workspaces/diff`: of two snapshots, or of workspaces as they are now."""

    session: WorkspaceName
    old: str = Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    new: str = Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


class FileChange(Message):
    """One file that differs."""

    path: str
    change: Literal["added", "changed", "removed"]


class WorkspaceDiff(Message):
    """What differs, and the differences as a patch (cut to `max_body`)."""

    files: tuple[FileChange, ...]
    patch: str
    cut: bool


class BundlePiece(WorkspaceRef):
    """A piece of a snapshot with everything in it, to be carried elsewhere: a git bundle.

    Pieces come in order from `offset` 0 on; the last one says so, and only then is it taken in.
    """

    snapshot: SnapshotId
    offset: int = Field(ge=0, le=2**53)
    data: Annotated[str, Field(max_length=6 << 20)] = Field(description="In base64")
    last: bool


class BundleState(Message):
    """What has come so far. `taken` is the snapshot once all of it is there."""

    size: int
    taken: Snapshot | None = None
