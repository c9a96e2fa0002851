"""Messages of the session manager."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from meso_services.contract.common import JsonObject, Message

SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
# Other programs choose ids as they like; ours are hexadecimal.
EntryId = Annotated[str, Field(min_length=1, max_length=256)]
EntryType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
# Printable ASCII, so that it means the same in a header and in a file.
IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1024)]


class CreateSession(Message):
    """What a new session begins with."""

    name: Text | None = Field(default=None, description="A title for people")
    cwd: Text | None = Field(
        default=None, description="Working directory; the session's workspace if left out"
    )
    parent_session: SessionId | None = Field(
        default=None, description="Session that this one descends from"
    )


class Session(Message):
    """A session as lists show it. Times are ISO 8601 in UTC."""

    id: str
    name: str | None
    cwd: str
    parent_session: str | None
    created_at: str
    updated_at: str = Field(description="Time of the newest entry")
    entries: int = Field(description="Number of entries that can be read")
    leaf: str | None = Field(description="The newest entry: where the next one attaches")
    size_bytes: int
    damaged_lines: int = Field(
        description="Lines in the file that are no entries; they are kept and skipped"
    )


class SessionPage(Message):
    """Sessions, oldest first. `next` is what to pass as `after` for more."""

    sessions: tuple[Session, ...]
    next: str | None = None


class NewEntry(Message):
    """An entry to append.

    `parent_id` left out attaches to the leaf; null starts another root. `data` holds the
    type's own keys, for example `{"message": {"role": "user", "content": "…"}}`.
    """

    type: EntryType
    parent_id: EntryId | None = None
    data: JsonObject = Field(default_factory=dict)


class Entry(Message):
    """An entry as it stands in the session. Unknown keys of other programs are in `data`."""

    id: str
    parent_id: str | None
    type: str
    timestamp: str
    data: dict[str, Any]


class EntryPage(Message):
    """Entries in the order of appending. `next` is what to pass as `after` for more."""

    entries: tuple[Entry, ...]
    next: str | None = None
