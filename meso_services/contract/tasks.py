"""Messages of task management: create, update, list, get, dependencies."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from meso_services.contract.common import JsonObject, Message, check_json
from meso_services.contract.session import BranchName, SessionId, Text

MAX_METADATA_BYTES = 16 * 1024

TaskId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("a task needs a subject")
    return text


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(metadata, separators=(",", ":")))
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"has {size} bytes as JSON, at most {MAX_METADATA_BYTES} are kept")
    return metadata


Subject = Annotated[Text, Field(max_length=500), AfterValidator(_says_something)]
Description = Annotated[str, Field(max_length=16_384), AfterValidator(check_json)]
Blockers = Annotated[tuple[TaskId, ...], Field(max_length=100)]
Labels = Annotated[tuple[Label, ...], Field(max_length=32)]
Metadata = Annotated[JsonObject, AfterValidator(_small)]


class TaskStatus(StrEnum):
    """Where a task stands. The last two are its ends; from each a task may be taken up again."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class CreateTask(Message):
    """`POST /v1/tasks`: a piece of work to keep in mind."""

    subject: Subject
    description: Description = ""
    status: TaskStatus = TaskStatus.PENDING
    session: SessionId | None = Field(default=None, description="Session that it belongs to")
    branch: BranchName | None = Field(default=None, description="The session's branch it is for")
    owner: Text | None = Field(default=None, description="Who works on it, an agent or a person")
    blocked_by: Blockers = Field(default=(), description="Tasks that must end before it begins")
    labels: Labels = ()
    metadata: Metadata = Field(default_factory=dict, description="Keys of other programs")


class UpdateTask(Message):
    """`PATCH /v1/tasks/{id}`: what is left out stays as it is.

    `metadata` is merged key by key and null removes a key; every other field is replaced.
    `if_version` refuses the update when somebody else changed the task since. A task begins or
    completes only when what it waits for has ended, unless `force` is true.
    """

    subject: Subject | None = None
    description: Description | None = None
    status: TaskStatus | None = None
    session: SessionId | None = None
    branch: BranchName | None = None
    owner: Text | None = None
    blocked_by: Blockers | None = None
    labels: Labels | None = None
    metadata: Metadata | None = None
    if_version: int | None = Field(default=None, ge=1, le=2**53)
    force: bool = False


class Task(Message):
    """A task as it is now. Times are ISO 8601 in UTC."""

    id: str
    subject: str
    description: str
    status: TaskStatus
    session: str | None
    branch: str | None = None
    owner: str | None
    blocked_by: tuple[str, ...]
    blocks: tuple[str, ...] = Field(description="Tasks that wait for this one")
    labels: tuple[str, ...]
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    version: int = Field(description="Number of changes so far, the creation included")
    ready: bool = Field(description="It is pending and everything that it waits for has ended")


class TaskPage(Message):
    """Tasks in the order of their creation. `next` is what to pass as `after` for more."""

    tasks: tuple[Task, ...]
    next: str | None = None


class TaskEvent(Message):
    """One change of a task, as it stands in the log. `changes` holds only what was changed."""

    id: str
    timestamp: str
    changes: dict[str, Any]


class TaskEvents(Message):
    """`GET /v1/tasks/{id}/events`: how the task came to be what it is, oldest first."""

    events: tuple[TaskEvent, ...]
    next: str | None = None
