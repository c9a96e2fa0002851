"""Tasks on disk: one append-only log in the session file's own format, and its fold in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_services.contract.session import Entry, NewEntry
from meso_services.contract.tasks import (
    MAX_METADATA_BYTES,
    CreateTask,
    Task,
    TaskEvent,
    TaskEvents,
    TaskPage,
    TaskStatus,
    UpdateTask,
)
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.session_manager import entries
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.index import Index
from meso_services.session_manager.tasks.state import KIND, Row, State

PAGE = 1000
LOG_ID = "tasks"


@dataclass(frozen=True)
class Filter:
    """Which tasks to list; None lets every one through."""

    status: Sequence[TaskStatus] = ()
    session: str | None = None
    owner: str | None = None
    label: str | None = None
    branch: str | None = None
    ready: bool | None = None

    def admits(self, row: Row, state: State) -> bool:
        """True when every condition holds."""
        return (
            (not self.status or row.status in self.status)
            and self.session in (None, row.session)
            and self.branch in (None, row.branch)
            and self.owner in (None, row.owner)
            and (self.label is None or self.label in row.labels)
            and (self.ready is None or state.ready(row) == self.ready)
        )


class TaskStore:
    """The tasks below `place` (`/meso/sessions/tasks`). Methods may be called from any thread.

    The caller holds the directory's writer lock (`SessionStore`). A change is on the disk when
    its method returns; raises MesoError `task.*`, `idempotency.conflict` or `storage.*`, and then
    nothing was changed.
    """

    def __init__(self, place: Path, torn: Path, most: int) -> None:
        self._path = place / f"{LOG_ID}.jsonl"
        self._torn = torn
        self._lock = threading.Lock()
        self._log: SessionFile | None = None
        self._state = State()
        self.most = most

    def create(self, wanted: CreateTask, key: str | None) -> tuple[Task, bool]:
        """Make a task; and whether the same `key` had made it before."""
        changes = wanted.model_dump(mode="json", exclude_unset=True)
        with self._lock:
            state = self._current()
            if before := self._made_by(key, None, changes):
                return self._told(state, self._row(state, before.id)), True
            if len(state.rows) >= self.most:
                raise _full(self.most)
            self._check_blockers(state, None, wanted.blocked_by)
            self._check_start(state, wanted.status, wanted.blocked_by, force=False)
            made = self._write(NewEntry(type=KIND, parent_id=None, data={"changes": changes}), key)
            return self._told(state, self._row(state, made.id)), False

    def update(self, ident: str, wanted: UpdateTask, key: str | None) -> Task:
        """Change a task. The same `key` again changes nothing more."""
        asked = {"if_version", "force"}
        changes = wanted.model_dump(mode="json", exclude_unset=True, exclude=asked)
        with self._lock:
            state = self._current()
            row = self._row(state, ident)
            if self._made_by(key, ident, changes) or not changes:
                return self._told(state, row)
            self._check(state, row, wanted)
            data: dict[str, Any] = {"task": ident, "changes": changes}
            if wanted.metadata is not None:
                data["metadata"] = _merged(self._metadata(row), wanted.metadata)
            self._write(NewEntry(type=KIND, parent_id=row.events[-1], data=data), key)
            return self._told(state, row)

    def get(self, ident: str) -> Task:
        """One task. Raises `task.not_found`."""
        with self._lock:
            state = self._current()
            return self._told(state, self._row(state, ident))

    def page(self, wanted: Filter, after: str | None, limit: int) -> TaskPage:
        """Up to `limit` tasks that `wanted` admits, after the task `after`, oldest first."""
        with self._lock:
            state = self._current()
            rows = list(state.rows.values())
            if after is not None:
                rows = rows[list(state.rows).index(self._row(state, after).id) + 1 :]
            chosen = [row for row in rows if wanted.admits(row, state)]
            found = tuple(self._told(state, row) for row in chosen[:limit])
        return TaskPage(tasks=found, next=found[-1].id if len(chosen) > limit else None)

    def events(self, ident: str, after: str | None, limit: int) -> TaskEvents:
        """The changes of one task, oldest first."""
        with self._lock:
            events = self._row(self._current(), ident).events
            if after is not None and after not in events:
                raise MesoError("task.no_such_event", f"task {ident} has no event {after}")
            rest = events[events.index(after) + 1 :] if after else events
            found = [self._entry(event) for event in rest[:limit]]
        told = tuple(
            TaskEvent(id=e.id, timestamp=e.timestamp, changes=e.data["changes"]) for e in found
        )
        return TaskEvents(events=told, next=told[-1].id if len(rest) > limit else None)

    def count(self) -> int:
        """Number of tasks, read from the disk as it is now."""
        with self._lock:
            return len(self._current().rows)

    def _current(self) -> State:
        """The fold, brought up to date with a log that others may have changed."""
        if self._log is None:
            self._log = self._opened()
        try:
            self._fold(self._log)
        except MesoError as problem:
            if problem.code != "entry.not_found":
                raise
            # What was read before is gone: the file was replaced or cut.
            self._state = State()
            self._fold(self._log)
        return self._state

    def _fold(self, log: SessionFile) -> None:
        while True:
            page = log.page(self._state.seen, PAGE)
            for entry in page.entries:
                self._state.add(entry)
            if page.next is None:
                return

    def _opened(self) -> SessionFile:
        header = {
            "type": "session",
            "version": entries.VERSION,
            "id": LOG_ID,
            "timestamp": entries.now(),
            "cwd": "",
        }
        try:
            durable.make_directories(self._path.parent)
            if not self._path.exists():
                durable.write(self._path, entries.encode(header), replace=False)
        except OSError as problem:
            raise storage_error(problem, self._path) from problem
        return SessionFile(self._path, header, self._torn, Index(None))

    def _made_by(self, key: str | None, ident: str | None, changes: object) -> Entry | None:
        made = self._log.made_by(key) if self._log and key is not None else None
        if made and (made.data.get("task"), made.data.get("changes")) != (ident, changes):
            raise MesoError(
                "idempotency.conflict",
                "the idempotency key was used for another change of a task",
                status=409,
                hint="use a new key for each new change",
                detail={"event": made.id},
            )
        return made

    def _write(self, new: NewEntry, key: str | None) -> Entry:
        if self._log is None:
            raise RuntimeError("the log is opened before it is written to")
        made, _ = self._log.append(new, key)
        self._state.add(made)
        return made

    def _check(self, state: State, row: Row, wanted: UpdateTask) -> None:
        if wanted.if_version not in (None, len(row.events)):
            raise MesoError(
                "task.changed",
                f"task {row.id} is at version {len(row.events)}, not {wanted.if_version}",
                status=409,
                hint="read it again and decide anew",
                detail={"version": len(row.events)},
            )
        for name in ("subject", "status", "description", "labels", "blocked_by", "metadata"):
            if name in wanted.model_fields_set and getattr(wanted, name) is None:
                raise MesoError("task.invalid", f"{name}: a task always has one", status=422)
        if wanted.blocked_by is not None:
            self._check_blockers(state, row.id, wanted.blocked_by)
        blockers = row.blocked_by if wanted.blocked_by is None else wanted.blocked_by
        self._check_start(state, wanted.status, blockers, force=wanted.force)

    def _check_blockers(self, state: State, ident: str | None, blockers: Iterable[str]) -> None:
        for blocker in blockers:
            if blocker not in state.rows:
                raise MesoError(
                    "task.unknown_reference",
                    f"blocked_by: there is no task {blocker}",
                    status=422,
                    hint="GET /v1/tasks lists them",
                )
        if ident is not None and (way := state.cycle(ident, blockers)):
            raise MesoError(
                "task.cycle",
                f"tasks would wait for each other: {' -> '.join(way)}",
                status=409,
                hint="take one of these dependencies away first",
                detail={"cycle": way},
            )

    def _check_start(
        self, state: State, status: TaskStatus | None, blockers: Iterable[str], *, force: bool
    ) -> None:
        if force or status not in (TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED):
            return
        if waits := state.open_blockers(blockers):
            raise MesoError(
                "task.blocked",
                f"it cannot be {status}: it waits for {', '.join(waits)}",
                status=409,
                hint="end those first, take the dependency away, or say force",
                detail={"blocked_by": waits},
            )

    def _row(self, state: State, ident: str) -> Row:
        row = state.rows.get(ident)
        if row is None:
            raise MesoError(
                "task.not_found",
                f"there is no task {ident}",
                status=404,
                hint="GET /v1/tasks lists them",
            )
        return row

    def _told(self, state: State, row: Row) -> Task:
        said = self._entry(row.description_at).data["changes"] if row.description_at else {}
        return state.task(row, said.get("description", ""), self._metadata(row))

    def _metadata(self, row: Row) -> dict[str, Any]:
        if row.metadata_at is None:
            return {}
        data = self._entry(row.metadata_at).data
        found: dict[str, Any] = data.get("metadata", data["changes"]["metadata"])
        return found

    def _entry(self, ident: str) -> Entry:
        if self._log is None:
            raise RuntimeError("the log is opened before it is read")
        return self._log.entry(ident)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in {**old, **new}.items() if value is not None}
    size = len(entries.encode(merged))
    if size > MAX_METADATA_BYTES:
        raise MesoError(
            "task.metadata_too_large",
            f"metadata would have {size} bytes, at most {MAX_METADATA_BYTES} are kept",
            status=422,
        )
    return merged


def _full(most: int) -> MesoError:
    return MesoError(
        "task.too_many",
        f"there are {most} tasks already",
        status=507,
        hint="raise the setting services.session_manager.max_tasks",
    )
