"""What the log of tasks says: the fold of its changes, and the rules of dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from meso_services.contract.session import Entry
from meso_services.contract.tasks import CreateTask, Task, TaskStatus, UpdateTask

KIND = "task"
ENDED = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED})


@dataclass
class Row:
    """A task as held in memory. Description and metadata stay on the disk.

    `events` are the ids of its log entries; `texts` says which of them hold those two.
    """

    id: str
    created_at: str
    updated_at: str
    subject: str
    status: TaskStatus
    session: str | None = None
    branch: str | None = None
    owner: str | None = None
    blocked_by: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    events: list[str] = field(default_factory=list)
    description_at: str | None = None
    metadata_at: str | None = None
    blocks: set[str] = field(default_factory=set)


class State:
    """All tasks, in the order of their creation."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.seen: str | None = None
        self.ignored = 0

    def add(self, entry: Entry) -> None:
        """Take one line of the log into account. A line that says nothing usable is counted."""
        self.seen = entry.id
        changes = entry.data.get("changes")
        ident = entry.data.get("task", entry.id)
        if entry.type != KIND or not isinstance(changes, dict) or not isinstance(ident, str):
            self.ignored += 1
            return
        try:
            if ident in self.rows:
                self._change(self.rows[ident], entry, changes)
            else:
                self._create(ident, entry, changes)
        except ValidationError:
            self.ignored += 1

    def _create(self, ident: str, entry: Entry, changes: Mapping[str, Any]) -> None:
        if ident != entry.id:
            self.ignored += 1
            return
        made = CreateTask.model_validate(changes)
        row = Row(ident, entry.timestamp, entry.timestamp, made.subject, made.status)
        self.rows[ident] = row
        self._apply(row, entry, changes, made)

    def _change(self, row: Row, entry: Entry, changes: Mapping[str, Any]) -> None:
        self._apply(row, entry, changes, UpdateTask.model_validate(changes))

    def _apply(
        self, row: Row, entry: Entry, changes: Mapping[str, Any], checked: CreateTask | UpdateTask
    ) -> None:
        for name in ("subject", "status", "session", "branch", "owner", "labels"):
            if name in changes:
                setattr(row, name, getattr(checked, name))
        if "blocked_by" in changes:
            self._link(row, checked.blocked_by or ())
        if "description" in changes:
            row.description_at = entry.id
        if "metadata" in changes:
            row.metadata_at = entry.id
        row.updated_at = entry.timestamp
        row.events.append(entry.id)

    def _link(self, row: Row, blockers: tuple[str, ...]) -> None:
        for old in row.blocked_by:
            if old in self.rows:
                self.rows[old].blocks.discard(row.id)
        row.blocked_by = tuple(dict.fromkeys(blockers))
        for new in row.blocked_by:
            if new in self.rows:
                self.rows[new].blocks.add(row.id)

    def open_blockers(self, blockers: Iterable[str]) -> list[str]:
        """Those of `blockers` that have not ended. One that is not known holds nobody up."""
        return [b for b in blockers if b in self.rows and self.rows[b].status not in ENDED]

    def ready(self, row: Row) -> bool:
        """True for a task that may begin now."""
        return row.status is TaskStatus.PENDING and not self.open_blockers(row.blocked_by)

    def cycle(self, ident: str, blockers: Iterable[str]) -> list[str] | None:
        """The way from `ident` over `blockers` back to itself, or None if there is none."""
        came_from: dict[str, str] = {}
        waiting = list(dict.fromkeys(blockers))
        came_from.update(dict.fromkeys(waiting, ident))
        while waiting:
            current = waiting.pop()
            if current == ident:
                return _way(ident, came_from)
            row = self.rows.get(current)
            for further in row.blocked_by if row else ():
                if further not in came_from:
                    came_from[further] = current
                    waiting.append(further)
        return None

    def task(self, row: Row, description: str, metadata: dict[str, Any]) -> Task:
        """The task as it is told to a caller."""
        return Task(
            id=row.id,
            subject=row.subject,
            description=description,
            status=row.status,
            session=row.session,
            branch=row.branch,
            owner=row.owner,
            blocked_by=row.blocked_by,
            blocks=tuple(sorted(row.blocks)),
            labels=row.labels,
            metadata=metadata,
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=len(row.events),
            ready=self.ready(row),
        )


def _way(ident: str, came_from: Mapping[str, str]) -> list[str]:
    way = [ident]
    current = came_from[ident]
    while current != ident:
        way.append(current)
        current = came_from[current]
    return [ident, *reversed(way)]
