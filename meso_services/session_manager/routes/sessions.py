"""Sessions and their entries: create, list, show, append, read, fork, archive, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response

from meso_services.contract.branches import (
    Deleted,
    DeletedSessions,
    EditSession,
    Family,
    Fork,
    Replayed,
)
from meso_services.contract.session import (
    CreateSession,
    Entries,
    Entry,
    EntryId,
    EntryPage,
    NewEntries,
    NewEntry,
    Session,
    SessionId,
    SessionPage,
)
from meso_services.runtime.app import answers, errors
from meso_services.session_manager import whole
from meso_services.session_manager.routes.common import (
    CHANGES,
    DONE_BEFORE,
    READS,
    AsciiJson,
    Ident,
    Key,
    Limit,
    Place,
)
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tree import looking

_MADE = {**errors(404, 409, 507), **answers(Session, statuses=[200], description=DONE_BEFORE)}


def add_sessions(app: FastAPI, store: SessionStore, deletions: whole.Deletions) -> None:
    """Give `app` the routes of whole sessions and of entries."""
    _create(app, store)
    _change(app, store, deletions)
    _entries(app, store)
    _look(app, store)


def _create(app: FastAPI, store: SessionStore) -> None:
    @app.post("/v1/sessions", status_code=201, responses=_MADE)
    def create(wanted: CreateSession, response: Response, key: Key = None) -> Session:
        """Create a session. It is on the disk when this answers."""
        session, before = store.create(wanted, key)
        response.status_code = 200 if before else 201
        return session.describe()

    @app.get("/v1/sessions", responses=READS)
    def show_all(
        after: Annotated[SessionId | None, Query()] = None,
        parent: Annotated[SessionId | None, Query()] = None,
        archived: bool | None = None,
        limit: Limit = 100,
    ) -> SessionPage:
        """List sessions, oldest first."""
        return store.page(after, limit, parent=parent, archived=archived)

    @app.get("/v1/sessions/{session}", responses=READS)
    def show(session: Ident) -> Session:
        """Show one session."""
        return store.get(session).describe()

    @app.post("/v1/sessions/{session}/fork", status_code=201, responses=_MADE)
    def fork(session: Ident, wanted: Fork, response: Response, key: Key = None) -> Session:
        """A new session that begins with the way to a place of this one."""
        made, before = whole.fork(store, session, wanted, key)
        response.status_code = 200 if before else 201
        return made


def _change(app: FastAPI, store: SessionStore, deletions: whole.Deletions) -> None:
    @app.patch("/v1/sessions/{session}", responses=CHANGES)
    def edit(session: Ident, wanted: EditSession, key: Key = None) -> Session:
        """Name a session, archive it or take it up again."""
        return whole.edit(store, session, wanted, key)

    @app.delete("/v1/sessions/{session}", responses=CHANGES)
    def delete(
        session: Ident, confirm: Annotated[str | None, Query(max_length=64)] = None
    ) -> Deleted:
        """Delete a session. The first time it is refused with the token that confirms it."""
        return deletions.delete(session, confirm)

    @app.post("/v1/sessions/{session}/undelete", responses=CHANGES)
    def undelete(session: Ident) -> Session:
        """Bring a deleted session back."""
        return deletions.undelete(session)

    @app.get("/v1/deleted", responses=READS)
    def deleted() -> DeletedSessions:
        """The deleted sessions, oldest first."""
        return DeletedSessions(sessions=tuple(deletions.list()))


def _entries(app: FastAPI, store: SessionStore) -> None:
    @app.post(
        "/v1/sessions/{session}/entries",
        status_code=201,
        response_class=AsciiJson,
        responses={**CHANGES, **answers(Entry, statuses=[200], description=DONE_BEFORE)},
    )
    def append(session: Ident, new: NewEntry, response: Response, key: Key = None) -> Entry:
        """Append an entry. It is on the disk when this answers: a power cut cannot undo it."""
        entry, before = store.get(session).append(new, key)
        response.status_code = 200 if before else 201
        return entry

    @app.post(
        "/v1/sessions/{session}/entries/batch",
        status_code=201,
        response_class=AsciiJson,
        responses={**CHANGES, **answers(Entries, statuses=[200], description=DONE_BEFORE)},
    )
    def append_all(session: Ident, new: NewEntries, response: Response, key: Key = None) -> Entries:
        """Append several entries as one piece: all of them or, after a power cut, none."""
        made, before = store.get(session).append_all(new.entries, key)
        response.status_code = 200 if before else 201
        return Entries(entries=tuple(made))

    @app.get("/v1/sessions/{session}/entries", responses=READS, response_class=AsciiJson)
    def read(
        session: Ident, after: Annotated[EntryId | None, Query()] = None, limit: Limit = 100
    ) -> EntryPage:
        """Read entries in the order of appending, by pages."""
        return store.get(session).page(after, limit)

    @app.get("/v1/sessions/{session}/entries/{entry}", responses=READS, response_class=AsciiJson)
    def read_one(session: Ident, entry: Place) -> Entry:
        """One entry."""
        return store.get(session).entry(entry)


def _look(app: FastAPI, store: SessionStore) -> None:
    @app.get("/v1/sessions/{session}/replay", responses=READS, response_class=AsciiJson)
    def replay(
        session: Ident,
        at: Annotated[EntryId | None, Query()] = None,
        time: Annotated[str | None, Query(max_length=64, pattern=r"^[0-9T:.Z+-]*$")] = None,
        limit: Limit = 20,
    ) -> Replayed:
        """The session as it was when an entry was the newest one, or at a time (ISO 8601, UTC)."""
        return looking.replay(store.get(session), at, time, limit)

    @app.get("/v1/sessions/{session}/family", responses=READS)
    def family(session: Ident) -> Family:
        """The sessions that this one descends from, and those that descend from it."""
        return looking.family(store, session)
