"""The routes of tasks, added to the session manager's application."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header, Query, Response
from fastapi import Path as InPath
from pydantic import AfterValidator

from meso_services.contract.common import check_json
from meso_services.contract.session import BranchName, IdempotencyKey, SessionId, Text
from meso_services.contract.tasks import (
    CreateTask,
    Label,
    Task,
    TaskEvents,
    TaskId,
    TaskPage,
    TaskStatus,
    UpdateTask,
)
from meso_services.runtime.app import answers, errors
from meso_services.session_manager.tasks.store import Filter, TaskStore

Key = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="The same key again returns what the first request made",
    ),
]
Ident = Annotated[TaskId, InPath(alias="task")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Owner = Annotated[Text, AfterValidator(check_json)]
DONE_BEFORE = "The idempotency key was used before; nothing was added"


def add_tasks(app: FastAPI, store: TaskStore) -> None:
    """Give `app` the routes below `/v1/tasks`."""
    _write(app, store)
    _read(app, store)


def _write(app: FastAPI, store: TaskStore) -> None:
    @app.post(
        "/v1/tasks",
        status_code=201,
        responses={
            **errors(404, 409, 507),
            **answers(Task, statuses=[200], description=DONE_BEFORE),
        },
    )
    def create_task(wanted: CreateTask, response: Response, key: Key = None) -> Task:
        """Create a task. It is on the disk when this answers."""
        task, before = store.create(wanted, key)
        response.status_code = 200 if before else 201
        return task

    @app.patch("/v1/tasks/{task}", responses=errors(404, 409, 507))
    def update_task(task: Ident, wanted: UpdateTask, key: Key = None) -> Task:
        """Change a task. The change is on the disk when this answers."""
        return store.update(task, wanted, key)


def _read(app: FastAPI, store: TaskStore) -> None:
    @app.get("/v1/tasks", responses=errors(404, 409, 507))
    def list_tasks(  # noqa: PLR0913 (each is a filter of the query)
        *,
        status: Annotated[list[TaskStatus] | None, Query()] = None,
        session: SessionId | None = None,
        branch: BranchName | None = None,
        owner: Owner | None = None,
        label: Label | None = None,
        ready: bool | None = None,
        after: TaskId | None = None,
        limit: Limit = 100,
    ) -> TaskPage:
        """List tasks in the order of their creation; `status` may stand several times."""
        return store.page(Filter(status or (), session, owner, label, branch, ready), after, limit)

    @app.get("/v1/tasks/{task}", responses=errors(404, 409, 507))
    def get_task(task: Ident) -> Task:
        """One task."""
        return store.get(task)

    @app.get("/v1/tasks/{task}/events", responses=errors(404, 409, 507))
    def task_events(task: Ident, after: TaskId | None = None, limit: Limit = 100) -> TaskEvents:
        """How a task came to be what it is: its changes, oldest first."""
        return store.events(task, after, limit)
