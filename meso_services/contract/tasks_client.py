"""The calls of task management."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meso_services.contract.client import Connection
from meso_services.contract.tasks import (
    CreateTask,
    Task,
    TaskEvent,
    TaskEvents,
    TaskPage,
    TaskStatus,
    UpdateTask,
)


class Tasks:
    """The tasks that a session manager keeps."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection

    def create(self, wanted: CreateTask, *, key: str | None = None) -> Task:
        """Create a task; it is durable when this returns."""
        return self._call.post("/v1/tasks", wanted, Task, key=key)

    def update(self, task: str, changes: UpdateTask, *, key: str | None = None) -> Task:
        """Change a task; the change is durable when this returns."""
        return self._call.patch(f"/v1/tasks/{task}", changes, Task, key=key)

    def get(self, task: str) -> Task:
        """One task."""
        return self._call.get(f"/v1/tasks/{task}", Task)

    def tasks(self, *, status: Sequence[TaskStatus] = (), **wanted: object) -> Iterator[Task]:
        """Those that match, oldest first. `wanted`: session, owner, label, ready."""
        after: str | None = None
        asked = {"status": [str(one) for one in status] or None, **wanted}
        while True:
            page = self._call.get("/v1/tasks", TaskPage, after=after, limit=1000, **asked)
            yield from page.tasks
            if (after := page.next) is None:
                return

    def events(self, task: str) -> Iterator[TaskEvent]:
        """The task's changes, oldest first."""
        after: str | None = None
        while True:
            path = f"/v1/tasks/{task}/events"
            page = self._call.get(path, TaskEvents, after=after, limit=1000)
            yield from page.events
            if (after := page.next) is None:
                return
