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


# A branch has a workspace of the same name, so it is a name for a directory too.
BranchName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


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
    leaf: str | None = Field(
        description="Newest entry of the branch that is worked on: where the next one attaches"
    )
    size_bytes: int
    damaged_lines: int = Field(
        description="Lines in the file that are no entries; they are kept and skipped"
    )
    branch: str = Field(default="main", description="The branch that is worked on")
    branches: int = Field(default=1, description="Number of branches")
    archived: bool = False


class SessionPage(Message):
    """Sessions, oldest first. `next` is what to pass as `after` for more."""

    sessions: tuple[Session, ...]
    next: str | None = None


class NewEntry(Message):
    """An entry to append.

    `parent_id` left out attaches to the leaf; null starts another root. `branch` attaches to the
    newest entry of another branch than the one that is worked on; a `parent_id` beside it is
    where the caller thinks that branch is. `data` holds the type's own keys, for example
    `{"message": {"role": "user", "content": "…"}}`.
    """

    type: EntryType
    parent_id: EntryId | None = None
    branch: BranchName | None = None
    data: JsonObject = Field(default_factory=dict)


class Entry(Message):
    """An entry as it stands in the session. Unknown keys of other programs are in `data`."""

    id: str
    parent_id: str | None
    type: str
    timestamp: str
    data: dict[str, Any]
    merged: tuple[str, ...] = Field(default=(), description="Its parents besides the first")
    copy_of: str | None = Field(default=None, description="The entry that it repeats")


class NewEntries(Message):
    """Entries to append as one piece. Those after the first follow it."""

    entries: tuple[NewEntry, ...] = Field(min_length=1, max_length=1000)


class Entries(Message):
    """Entries that were appended as one piece."""

    entries: tuple[Entry, ...]


class EntryPage(Message):
    """Entries in the order of appending. `next` is what to pass as `after` for more."""

    entries: tuple[Entry, ...]
    next: str | None = None
