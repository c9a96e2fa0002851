"""Messages of going on: resume a session, hand it to another platform, pick it up there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meso_services.contract.checkpoints import CheckpointId, MemoryMode, Name, Note, Restored
from meso_services.contract.common import Message
from meso_services.contract.session import BranchName


class Handoff(Message):
    """`POST /v1/sessions/{id}/handoff`: a note that the next one reads, and a checkpoint."""

    branch: BranchName | None = Field(default=None, description="The current one if left out")
    note: Note = ""
    to: Name = Field(default="", description="The platform or appliance that is to go on")
    dry_run: bool = False


class HandedOff(Message):
    """What was handed off. `missing` is what could not be kept, and why."""

    session: str
    branch: str
    checkpoint: str | None = Field(description="Null in a dry run")
    tip: str | None
    messages: int
    tasks: tuple[str, ...] = Field(description="Tasks that have not ended")
    workspace: bool = Field(description="The branch's files are in it")
    missing: tuple[str, ...] = ()
    note: str
    to: str
    dry_run: bool


class Pickup(Message):
    """`POST /v1/checkpoints/{id}/pickup`: go on with what was handed off."""

    on: Name = Field(default="", description="The platform or appliance that goes on")
    memory: MemoryMode = "keep"
    branch: BranchName | None = Field(
        default=None, description="Into a new branch of this name, not into its own"
    )
    workspace: bool = True
    dry_run: bool = False


class PickedUp(Message):
    """What was picked up, and what the next agent is to know."""

    restored: Restored
    note: str
    summary: str
    unarchived: bool = False
    on: str


class Resume(Message):
    """`POST /v1/sessions/{id}/resume`.

    Without `exact` a session goes on where its last entry stands: only what is missing (its files,
    its tasks, its place outside the archive) comes back from the checkpoint. With it everything
    becomes what the checkpoint says, and what was beyond stays on a branch of its own.
    """

    checkpoint: CheckpointId | None = Field(
        default=None, description="The newest of the current branch if left out"
    )
    exact: bool = False
    memory: MemoryMode = "keep"
    dry_run: bool = False


class TaskDiffers(Message):
    """A task that is not what the checkpoint says; `now` null: it was missing."""

    task: str
    subject: str
    then: str
    now: str | None


class Resumed(Message):
    """Where the session goes on, and what differs from the checkpoint that it was compared with."""

    session: str
    branch: str
    tip: str | None
    checkpoint: str | None = Field(description="What was compared with; null: there is none")
    note: str = ""
    entries_since: int | None = Field(
        default=None, description="On the branch after it; null: it is on another way"
    )
    tasks: tuple[str, ...] = Field(default=(), description="Tasks that have not ended")
    tasks_differ: tuple[TaskDiffers, ...] = ()
    tasks_restored: tuple[str, ...] = ()
    workspace: str = Field(description="`none`, `same`, `differs`, `restored`, or why not")
    files_differ: tuple[str, ...] = Field(default=(), description="At most 1,000")
    workspace_before: str | None = Field(default=None, description="Snapshot of what gave way")
    identity: Literal["same", "different", "unknown"] = "unknown"
    identity_differs: tuple[str, ...] = ()
    unarchived: bool = False
    exact: bool
    kept_branch: str | None = None
    dry_run: bool
