"""Tasks of a merged branch: those that are alike become one, the others move to the target.

The rule: tasks are alike when they have the same subject. The further status stands (completed
before in progress before blocked before pending; cancelled only if both are), labels and
dependencies are joined, metadata of the target stands and that of the source fills its gaps. A
task of the source that became part of another one is cancelled and says which. Where status or
description differ it is told as a conflict: nothing is swallowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meso_services.contract.branches import Conflict
from meso_services.contract.tasks import Task, TaskStatus, UpdateTask
from meso_services.runtime.errors import MesoError
from meso_services.session_manager.tasks.store import Filter, TaskStore

PAGE = 1000
FURTHER = (
    TaskStatus.CANCELLED,
    TaskStatus.PENDING,
    TaskStatus.BLOCKED,
    TaskStatus.IN_PROGRESS,
    TaskStatus.COMPLETED,
)


@dataclass(frozen=True)
class Change:
    """What happens to one task."""

    task: str
    update: UpdateTask


def changes(
    store: TaskStore, session: str, source: str, target: str
) -> tuple[list[Change], list[Conflict]]:
    """What a merge does to the tasks. Nothing is written."""
    theirs = [task for task in every(store, session) if task.branch == source]
    ours = {t.subject: t for t in every(store, session) if t.branch in (target, None)}
    found: list[Change] = []
    conflicts: list[Conflict] = []
    for task in theirs:
        same = ours.get(task.subject)
        if same is None:
            found.append(Change(task.id, UpdateTask(branch=target)))
            continue
        conflicts += _conflicts(same, task)
        found.append(Change(same.id, _joined(same, task)))
        gone = {"status": TaskStatus.CANCELLED, "branch": target, "force": True,
                "metadata": {"merged_into": same.id}}  # fmt: skip
        found.append(Change(task.id, UpdateTask.model_validate(gone)))
    return found, conflicts


def apply(store: TaskStore, wanted: list[Change], entry: str) -> tuple[str, ...]:
    """Make the changes, each once however often this is called for the same merge entry."""
    done = []
    for change in wanted:
        try:
            store.update(change.task, change.update, f"merge.{entry}.{change.task}")
        except MesoError as problem:
            # A circle through joined dependencies, or too much metadata: the rest comes over.
            if problem.code not in ("task.cycle", "task.metadata_too_large"):
                raise
            apart = {"blocked_by", "metadata"}
            rest = change.update.model_dump(exclude_unset=True, exclude=apart)
            update = UpdateTask.model_validate(rest)
            store.update(change.task, update, f"merge.{entry}.{change.task}")
        done.append(change.task)
    return tuple(done)


def every(store: TaskStore, session: str) -> Iterator[Task]:
    """All tasks of a session."""
    after: str | None = None
    while True:
        page = store.page(Filter(session=session), after, PAGE)
        yield from page.tasks
        if (after := page.next) is None:
            return


def _joined(ours: Task, theirs: Task) -> UpdateTask:
    status = max(ours.status, theirs.status, key=FURTHER.index)
    joined: dict[str, Any] = {"status": status, "force": True}
    labels = tuple(dict.fromkeys((*ours.labels, *theirs.labels)))[:32]
    blockers = tuple(
        dict.fromkeys(b for b in (*ours.blocked_by, *theirs.blocked_by) if b != ours.id)
    )[:100]
    missing = {k: v for k, v in theirs.metadata.items() if k not in ours.metadata}
    if labels != ours.labels:
        joined["labels"] = labels
    if blockers != ours.blocked_by:
        joined["blocked_by"] = blockers
    if missing:
        joined["metadata"] = missing
    if not ours.description and theirs.description:
        joined["description"] = theirs.description
    return UpdateTask.model_validate(joined)


def _conflicts(ours: Task, theirs: Task) -> Iterator[Conflict]:
    if ours.description and theirs.description and ours.description != theirs.description:
        yield Conflict(kind="task", name=f"{ours.subject}: description",
                       ours=ours.description[:200], theirs=theirs.description[:200])  # fmt: skip
    if ours.status != theirs.status:
        yield Conflict(
            kind="task", name=f"{ours.subject}: status", ours=ours.status, theirs=theirs.status
        )
