"""Sessions as tools: create, list, show, append, read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.client import SessionManager, message
from meso_services.contract.common import Message, check_json
from meso_services.contract.session import (
    CreateSession,
    Entry,
    EntryId,
    EntryPage,
    Session,
    SessionId,
    SessionPage,
)
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.spec import ToolSpec

SERVICE = "session-manager"
Said = Annotated[str, Field(max_length=1_000_000), AfterValidator(check_json)]


class Named(Message):
    """One session."""

    session: SessionId


class Paged(Message):
    """A page of a list: `after` is what the page before gave as `next`."""

    after: SessionId | None = None
    limit: int = Field(default=50, ge=1, le=1000)


class Append(Named):
    """A message to append to a session."""

    text: Said
    role: Literal["user", "assistant"] = "assistant"


class Read(Named):
    """A page of a session's entries, in the order of appending."""

    after: EntryId | None = None
    limit: int = Field(default=50, ge=1, le=1000)


def _create(backend: Backend, wanted: CreateSession) -> Session:
    with backend.service(SERVICE) as connection:
        return SessionManager(connection).create(wanted)


def _list(backend: Backend, wanted: Paged) -> SessionPage:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/sessions", SessionPage, **wanted.model_dump())


def _show(backend: Backend, wanted: Named) -> Session:
    with backend.service(SERVICE) as connection:
        return SessionManager(connection).show(wanted.session)


def _append(backend: Backend, wanted: Append) -> Entry:
    with backend.service(SERVICE) as connection:
        said = message(wanted.role, wanted.text)
        return SessionManager(connection).append(wanted.session, said)


def _read(backend: Backend, wanted: Read) -> EntryPage:
    with backend.service(SERVICE) as connection:
        path = f"/v1/sessions/{wanted.session}/entries"
        return connection.get(path, EntryPage, after=wanted.after, limit=wanted.limit)


TOOLS = (
    ToolSpec("create_session", "Create a session.", CreateSession, _create, changes=True),
    ToolSpec("list_sessions", "List sessions, oldest first, by pages.", Paged, _list),
    ToolSpec("show_session", "Show a session's facts.", Named, _show),
    ToolSpec(
        "append_to_session",
        "Append a message to a session. It is on the disk when this answers.",
        Append,
        _append,
        changes=True,
    ),
    ToolSpec("read_session", "Read a session's entries, by pages.", Read, _read),
)
