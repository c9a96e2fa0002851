"""Messages of bringing sessions from one instance to another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meso_services.contract.common import Message
from meso_services.contract.session import EntryId


class Heads(Message):
    """Where a session stands: enough to know whether there is something to bring."""

    session: str
    name: str | None
    archived: bool
    entries: int
    branches: dict[str, EntryId | None]


class HeadsPage(Message):
    """`GET /v1/heads`, oldest first. `next` is what to pass as `after` for more."""

    sessions: tuple[Heads, ...]
    deleted: tuple[str, ...] = Field(
        default=(), description="Sessions that were deleted here; on the first page"
    )
    next: str | None = None


class ReceivedBranch(Message):
    """A branch that was made, or went on. `name` is what it is called here."""

    name: str
    theirs: str
    tip: EntryId | None
    how: Literal["new", "forwarded", "beside"] = Field(
        description="`beside`: it went another way here, so theirs is a branch of its own"
    )


class Received(Message):
    """`POST /v1/transfers/{transfer}/receive`: what came, or would come."""

    session: str
    name: str | None
    created: bool
    archived: bool = Field(description="As it is here")
    entries: int = Field(description="Entries that were not here")
    branches: tuple[ReceivedBranch, ...] = ()
    dry_run: bool
