"""Messages of the session manager: transcripts of other agents, in and out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meso_services.contract.checkpoints import Transfer
from meso_services.contract.common import Message
from meso_services.contract.session import Session, Text

Transcript = Literal["pi", "claude-code", "goose"]


class ImportSession(Message):
    """What to make of a transcript that was brought by a transfer."""

    format: Transcript | Literal["auto"] = "auto"
    as_new: bool = Field(
        default=False, description="Give it an id of its own, also if its own id is free"
    )
    name: Text | None = Field(default=None, description="A title in place of its own")
    dry_run: bool = Field(default=False, description="Say what it would be, keep nothing")


class Imported(Message):
    """A transcript that became a session, or would."""

    format: Transcript
    session: Session | None = Field(description="Null on a dry run")
    source: str = Field(description="The session's id in the transcript")
    entries: int
    branches: int
    notes: tuple[str, ...] = Field(description="What was repaired or is kept without being shown")
    more_notes: int = Field(description="How many further notes there were")
    before: bool = Field(description="This very transcript was imported before")
    dry_run: bool


class ExportSession(Message):
    """In which form a session is wanted."""

    format: Transcript = "pi"
    session_id: (
        Annotated[
            str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
        ]
        | None
    ) = Field(default=None, description="The id that Claude Code shall know it by")
    cwd: Text | None = Field(default=None, description="The directory that it shall belong to")


class Exported(Message):
    """A transcript, to be fetched by its transfer.

    Claude Code's may be several files: each further one stands after a line
    `{"type":"meso-file","path":…}`.
    """

    transfer: Transfer
    format: Transcript
    session_id: str = Field(description="The id of the session in the transcript")
    entries: int
    notes: tuple[str, ...] = Field(description="What the format has no word for, and where it is")
    more_notes: int
