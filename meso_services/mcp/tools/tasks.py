"""Tasks as tools: create, update, list, get."""

from __future__ import annotations

from pydantic import Field

from meso_services.contract.common import Message
from meso_services.contract.session import SessionId, Text
from meso_services.contract.tasks import (
    CreateTask,
    Label,
    Task,
    TaskId,
    TaskPage,
    TaskStatus,
    UpdateTask,
)
from meso_services.contract.tasks_client import Tasks
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.spec import ToolSpec

SERVICE = "session-manager"


class Named(Message):
    """One task."""

    task: TaskId


class Update(UpdateTask):
    """Changes of one task; what is left out stays."""

    task: TaskId


class Filters(Message):
    """Which tasks to list."""

    status: tuple[TaskStatus, ...] = ()
    session: SessionId | None = None
    owner: Text | None = None
    label: Label | None = None
    ready: bool | None = Field(default=None, description="Those that can begin now")
    after: TaskId | None = None
    limit: int = Field(default=50, ge=1, le=1000)


def _create(backend: Backend, wanted: CreateTask) -> Task:
    with backend.service(SERVICE) as connection:
        return Tasks(connection).create(wanted)


def _update(backend: Backend, wanted: Update) -> Task:
    changes = wanted.model_dump(exclude_unset=True, exclude={"task"})
    with backend.service(SERVICE) as connection:
        return Tasks(connection).update(wanted.task, UpdateTask.model_validate(changes))


def _list(backend: Backend, wanted: Filters) -> TaskPage:
    asked = wanted.model_dump(mode="json", exclude_none=True)
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/tasks", TaskPage, **asked)


def _get(backend: Backend, wanted: Named) -> Task:
    with backend.service(SERVICE) as connection:
        return Tasks(connection).get(wanted.task)


TOOLS = (
    ToolSpec(
        "create_task",
        "Note work to be done; `blocked_by` names the tasks that must end first.",
        CreateTask,
        _create,
        changes=True,
    ),
    ToolSpec("update_task", "Change a task.", Update, _update, changes=True),
    ToolSpec("list_tasks", "List tasks in the order of their creation.", Filters, _list),
    ToolSpec("get_task", "One task.", Named, _get),
)
