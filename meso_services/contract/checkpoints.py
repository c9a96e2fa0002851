"""Checkpoints: an agent's state at one moment, in the JSON format of the project's seed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json
from meso_services.contract.session import BranchName, EntryId, SessionId
from meso_services.contract.snapshots import Sha256

FORMAT = 1
CheckpointId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Name = Annotated[
    str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(check_json)
]
Note = Annotated[str, Field(max_length=16_384), AfterValidator(check_json)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MemoryMode = Literal["keep", "merge", "checkpoint"]


class CheckpointSession(Message):
    """Where the session stood. `branch_point` is `message-index-N`, the messages on the branch."""

    session_id: SessionId
    branch_point: str
    branch_name: BranchName
    message_count: int


class CheckpointIdentity(Message):
    """Who the agent was. Null and empty where the operon loader did not answer."""

    genome_version: str | None
    loaded_zooids: tuple[str, ...]
    loaded_operons: tuple[str, ...]
    operon_versions: dict[str, str]


class CheckpointFile(Message):
    """A file of the memory."""

    path: str
    size: int
    hash: Digest


class CheckpointMemory(Message):
    """The memory: one hash over all, and each file. Equal bytes are kept once."""

    hash: Digest
    files: tuple[CheckpointFile, ...]


class CheckpointTask(Message):
    """A task that had not ended."""

    task_id: str
    subject: str
    status: str
    metadata: dict[str, Any]


class CheckpointMore(Message):
    """What a restore needs beyond the seed's fields. `chain` covers every entry on the branch."""

    format: int = FORMAT
    tip: EntryId | None
    chain: Digest
    identity_hash: str | None = None
    zooid_versions: dict[str, str] = Field(default_factory=dict)
    tasks: tuple[dict[str, Any], ...] = Field(default=(), description="The tasks in full")
    variables: dict[str, Any] | None = None
    workspace: str | None = Field(default=None, description="Snapshot of the branch's files")
    workspace_tree: str | None = None
    missing: tuple[str, ...] = Field(
        default=(), description="What could not be kept, and why: `memory: …`"
    )


class Checkpoint(Message):
    """A checkpoint. `hash` is over everything else in it."""

    checkpoint_id: CheckpointId
    checkpoint_name: Name | None
    timestamp: str
    created_by: str
    session: CheckpointSession
    identity: CheckpointIdentity
    memory_snapshot: CheckpointMemory | None
    active_tasks: tuple[CheckpointTask, ...]
    context_summary: str
    operator_note: str
    meso: CheckpointMore
    hash: Digest | None = None


class CheckpointRow(Message):
    """A checkpoint as lists show it."""

    checkpoint_id: str
    checkpoint_name: str | None
    timestamp: str
    session_id: str
    branch_name: str
    message_count: int
    operator_note: str
    size_bytes: int


class Checkpoints(Message):
    """`GET /v1/checkpoints`, oldest first. `unreadable` names files that are none."""

    checkpoints: tuple[CheckpointRow, ...]
    unreadable: tuple[str, ...] = ()


class MakeCheckpoint(Message):
    """`POST /v1/checkpoints`. One with a name is kept until it is deleted."""

    session: SessionId
    branch: BranchName | None = None
    name: Name | None = None
    note: Note = ""
    summary: Note | None = Field(default=None, description="An extract of the context if absent")
    variables: bool = Field(default=False, description="Also keep the session's variables")
    created_by: Name = "operator"


class RestoreCheckpoint(Message):
    """`POST /v1/checkpoints/{id}/restore`. Everything comes back, or nothing changes.

    Memory is shared by all sessions, so it stays as it is unless asked for: `merge` adds what is
    missing, `checkpoint` makes it what it was (what gives way is kept).
    """

    memory: MemoryMode = "keep"
    tasks: bool = True
    variables: bool = True
    workspace: bool = True
    branch: BranchName | None = Field(
        default=None, description="Restore into a new branch of this name, not into its own"
    )
    dry_run: bool = False


class Restored(Message):
    """What a restore did, or would do."""

    checkpoint: str
    session: str
    branch: str
    tip: str | None
    kept_branch: str | None = Field(
        description="The branch that holds what the restored one had beyond the checkpoint"
    )
    identity: Literal["same", "different", "unknown"]
    identity_differs: tuple[str, ...] = Field(
        default=(), description="Identity is reported, never switched"
    )
    tasks: tuple[str, ...] = Field(description="Tasks that were brought back")
    memory: str = Field(description="`kept`, or what came of it")
    workspace: str = Field(description="`none`, `restored`, or why not")
    workspace_before: str | None = None
    dry_run: bool


class CheckpointDeleted(Message):
    """It is gone. Bytes of memory that no other checkpoint needs are gone too."""

    checkpoint: str
    freed_bytes: int


class Transfer(Message):
    """Something that is carried in pieces: `offset` is how much of it is there."""

    transfer: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    size: int
    sha256: str | None = None


class Piece(Message):
    """A piece in base64, at `offset`."""

    offset: int = Field(ge=0, le=2**53)
    data: Annotated[str, Field(max_length=6 << 20, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class PieceReply(Message):
    """`GET /v1/transfers/{id}?offset=`; `next` is null after the last one."""

    data: str
    next: int | None


class PurgeMemory(Message):
    """`PUT /v1/checkpoints/purged`: versions of memories that no checkpoint may hold any more."""

    hashes: tuple[Sha256, ...] = Field(max_length=100_000)


class PurgedMemory(Message):
    """How many versions were removed now, and how many checkpoints listed one of the hashes."""

    removed: int
    checkpoints: int
