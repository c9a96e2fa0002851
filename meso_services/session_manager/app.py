"""The session manager's routes."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse

from meso_services.contract.session import (
    CreateSession,
    Entry,
    EntryId,
    EntryPage,
    IdempotencyKey,
    NewEntry,
    Session,
    SessionId,
    SessionPage,
)
from meso_services.runtime.app import answers, application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service
from meso_services.session_manager.health import checks
from meso_services.session_manager.settings import Settings
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tasks.routes import add_tasks
from meso_services.session_manager.tasks.store import TaskStore

Key = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="The same key again returns what the first request made (status 200)",
    ),
]
Ident = Annotated[SessionId, InPath(alias="session")]
Limit = Annotated[int, Query(ge=1, le=1000)]


class AsciiJson(JSONResponse):
    """JSON in ASCII: carries half a character of another program's text, as its file does."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


DONE_BEFORE = "The idempotency key was used before; nothing was added"


def build(context: Context[Settings]) -> FastAPI:
    """The application, on the store that lives as long as the process."""
    paths = context.paths
    store = context.kept.get(
        "store", lambda: SessionStore(paths.sessions, paths.workspaces), SessionStore.close
    )
    tasks = context.kept.get("tasks", lambda: TaskStore(store.place / "tasks", store.torn, 1))
    tasks.most = context.settings.max_tasks
    app = application(context, title="MESO session manager", checks=checks(store, tasks))
    _sessions(app, store)
    _entries(app, store)
    add_tasks(app, tasks)
    return app


def _sessions(app: FastAPI, store: SessionStore) -> None:
    @app.post(
        "/v1/sessions",
        status_code=201,
        responses={**errors(404, 507), **answers(Session, statuses=[200], description=DONE_BEFORE)},
    )
    def create(wanted: CreateSession, response: Response, key: Key = None) -> Session:
        """Create a session. It is on the disk when this answers."""
        session, before = store.create(wanted, key)
        response.status_code = 200 if before else 201
        return session.describe()

    @app.get("/v1/sessions", responses=errors(404, 507))
    def show_all(
        after: Annotated[SessionId | None, Query()] = None, limit: Limit = 100
    ) -> SessionPage:
        """List sessions, oldest first."""
        return store.page(after, limit)

    @app.get("/v1/sessions/{session}", responses=errors(404, 507))
    def show(session: Ident) -> Session:
        """Show one session."""
        return store.get(session).describe()


def _entries(app: FastAPI, store: SessionStore) -> None:
    @app.post(
        "/v1/sessions/{session}/entries",
        status_code=201,
        response_class=AsciiJson,
        responses={
            **errors(404, 409, 507),
            **answers(Entry, statuses=[200], description=DONE_BEFORE),
        },
    )
    def append(session: Ident, new: NewEntry, response: Response, key: Key = None) -> Entry:
        """Append an entry. It is on the disk when this answers: a power cut cannot undo it."""
        entry, before = store.get(session).append(new, key)
        response.status_code = 200 if before else 201
        return entry

    @app.get(
        "/v1/sessions/{session}/entries",
        responses=errors(404, 409, 507),
        response_class=AsciiJson,
    )
    def read(
        session: Ident, after: Annotated[EntryId | None, Query()] = None, limit: Limit = 100
    ) -> EntryPage:
        """Read entries in the order of appending, by pages."""
        return store.get(session).page(after, limit)


SERVICE = Service("session-manager", Settings, build)
