"""Branches, looking back, checkpoints and handing over as tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from meso_services.contract import branches as wire
from meso_services.contract import checkpoints, handoffs
from meso_services.contract.common import Message
from meso_services.contract.context import Compact, Compacted, Context, SessionHits
from meso_services.contract.session import BranchName, EntryId, Session, SessionId
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.sessions import SERVICE, Named, Said
from meso_services.mcp.tools.spec import ToolSpec

M = TypeVar("M", bound=Message)


class Branching(Named, wire.MakeBranch):
    """A branch to begin."""


class Switching(Named, wire.Switch):
    """The branch to work on."""


class Merging(Named, wire.Merge):
    """A merge of two branches."""


class Picking(Named, wire.Pick):
    """Entries to repeat on a branch."""


class Forking(Named, wire.Fork):
    """A place at which a new session begins."""


class Compacting(Named, Compact):
    """A branch to make shorter."""


class Comparing(Named):
    """Two branches or entries."""

    old: EntryId
    new: EntryId


class Sending(Named):
    """What a model is sent, within a budget in tokens."""

    branch: BranchName | None = None
    budget: int = Field(default=20_000, ge=1, le=100_000_000)


class Replaying(Named):
    """When this entry was the newest."""

    at: EntryId
    limit: int = Field(default=20, ge=1, le=1000)


class Searching(Message):
    """Words, all of which an entry must have."""

    words: Said = Field(min_length=1, max_length=2000)
    session: SessionId | None = None
    limit: int = Field(default=20, ge=1, le=1000)


class OfSession(Message):
    """Those of one session, or all."""

    session: SessionId | None = None


class Restoring(checkpoints.RestoreCheckpoint):
    """A checkpoint to bring back."""

    checkpoint: checkpoints.CheckpointId


class HandingOff(Named, handoffs.Handoff):
    """What to hand over, and to whom."""


class PickingUp(handoffs.Pickup):
    """A checkpoint to go on with."""

    checkpoint: checkpoints.CheckpointId


class Resuming(Named, handoffs.Resume):
    """A session to go on with."""


def _posted(
    path: str, body: type[Message], reply: type[M], *, once: bool = False
) -> Callable[[Backend, Message], M]:
    """A tool that posts its parameters, but for those that the path names."""

    def run(backend: Backend, wanted: Message) -> M:
        named = {name: getattr(wanted, name, None) for name in ("session", "checkpoint")}
        inside = {name for name in named if f"{{{name}}}" in path}
        given = wanted.model_dump(exclude=inside, exclude_unset=True)
        with backend.service(SERVICE) as connection:
            url = path.format(**named)
            return connection.post(url, body.model_validate(given), reply, once=once)

    return run


def _got(path: str, reply: type[M], **names: str) -> Callable[[Backend, Message], M]:
    """A tool that gets; `names` says what a parameter is called in the query."""

    def run(backend: Backend, wanted: Message) -> M:
        given = wanted.model_dump()
        url = path.format(**given)
        query = {names.get(k, k): v for k, v in given.items() if f"{{{k}}}" not in path}
        with backend.service(SERVICE) as connection:
            return connection.get(url, reply, **query)

    return run


IN = "/v1/sessions/{session}"
AT = "/v1/checkpoints/{checkpoint}"
TOOLS = (
    ToolSpec(
        "branch_session",
        "Begin a branch of a session at any message or entry.",
        Branching,
        _posted(f"{IN}/branches", wire.MakeBranch, wire.Moved),
        changes=True,
    ),
    ToolSpec(
        "list_branches",
        "List a session's branches.",
        Named,
        _got(f"{IN}/branches", wire.Branches),
    ),
    ToolSpec(
        "switch_branch",
        "Work on another branch of a session.",
        Switching,
        _posted(f"{IN}/switch", wire.Switch, wire.Moved),
        changes=True,
    ),
    ToolSpec(
        "merge_branch",
        "Bring what is new on one branch to another; conflicts are listed.",
        Merging,
        _posted(f"{IN}/merge", wire.Merge, wire.Merged),
        changes=True,
    ),
    ToolSpec(
        "cherry_pick",
        "Repeat single entries on a branch.",
        Picking,
        _posted(f"{IN}/cherry-pick", wire.Pick, wire.Picked),
        changes=True,
    ),
    ToolSpec(
        "diff_branches",
        "What each of two branches has alone.",
        Comparing,
        _got(f"{IN}/diff", wire.Difference, old="from", new="to"),
    ),
    ToolSpec(
        "fork_session",
        "A new session that begins with a part of another.",
        Forking,
        _posted(f"{IN}/fork", wire.Fork, Session),
        changes=True,
    ),
    ToolSpec(
        "session_context",
        "What a model would be sent to go on with a branch.",
        Sending,
        _got(f"{IN}/context", Context),
    ),
    ToolSpec(
        "compact_session",
        "Put a summary in place of a branch's older part; nothing is lost.",
        Compacting,
        _posted(f"{IN}/compact", Compact, Compacted),
        changes=True,
    ),
    ToolSpec(
        "replay_session",
        "A session as it was when an entry was its newest.",
        Replaying,
        _got(f"{IN}/replay", wire.Replayed),
    ),
    ToolSpec(
        "session_family",
        "The sessions that one descends from, and its children.",
        Named,
        _got(f"{IN}/family", wire.Family),
    ),
    ToolSpec(
        "search_sessions",
        "Find entries by their words.",
        Searching,
        _got("/v1/search", SessionHits, words="q"),
    ),
    ToolSpec(
        "create_checkpoint",
        "Keep a session's state: entries, identity, memory, tasks, files.",
        checkpoints.MakeCheckpoint,
        _posted("/v1/checkpoints", checkpoints.MakeCheckpoint, checkpoints.Checkpoint),
        changes=True,
    ),
    ToolSpec(
        "list_checkpoints",
        "List checkpoints, oldest first.",
        OfSession,
        _got("/v1/checkpoints", checkpoints.Checkpoints),
    ),
    ToolSpec(
        "restore_checkpoint",
        "Bring a checkpoint back, or change nothing.",
        Restoring,
        _posted(f"{AT}/restore", checkpoints.RestoreCheckpoint, checkpoints.Restored, once=True),
        changes=True,
    ),
    ToolSpec(
        "resume_session",
        "Go on with a session; says what differs from its last checkpoint.",
        Resuming,
        _posted(f"{IN}/resume", handoffs.Resume, handoffs.Resumed, once=True),
        changes=True,
    ),
    ToolSpec(
        "hand_off_session",
        "Leave a note and a checkpoint for who goes on elsewhere.",
        HandingOff,
        _posted(f"{IN}/handoff", handoffs.Handoff, handoffs.HandedOff),
        changes=True,
    ),
    ToolSpec(
        "pick_up_handoff",
        "Go on with what was handed off.",
        PickingUp,
        _posted(f"{AT}/pickup", handoffs.Pickup, handoffs.PickedUp, once=True),
        changes=True,
    ),
)
