"""A merge of everything that a branch is: entries and labels, tasks, files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meso_services.contract.branches import Conflict, Merge, Merged
from meso_services.contract.tasks import UpdateTask
from meso_services.session_manager import records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.model.summarise import Summariser
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.tasks import merge as tasks_merge
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.tree import merge


class Merger:
    """Merges branches.

    The session's own entry is written first and names the tasks that come over. Those changes
    carry keys made from that entry: asked again after a crash, they are made once.
    """

    def __init__(self, tasks: TaskStore, summariser: Summariser, workspaces: Workspaces) -> None:
        self._tasks = tasks
        self._summariser = summariser
        self._workspaces = workspaces

    def merge(self, session: SessionFile, wanted: Merge, key: str | None) -> Merged:
        """Do it, or say what it would do. Raises `branch.*`, `merge.*`, `session.*`."""
        if key is not None and (before := self._made_before(session, key)):
            return self._again(session, before)
        found = merge.plan(session, wanted)
        changes, conflicts = (
            tasks_merge.changes(self._tasks, session.id, found.source, found.target)
            if wanted.tasks
            else ([], [])
        )
        if found.strategy in merge.ADDS:
            summary = merge.summarised(session, found, self._summariser)
            found = replace(found, summary=summary)
        found = replace(found, conflicts=(*found.conflicts, *conflicts))
        told = merge.told(found, found.ours.id if found.ours else None, changed=False)
        told = told.model_copy(update={"tasks": tuple(change.task for change in changes)})
        if wanted.dry_run or (found.nothing and not changes):
            return told
        files: tuple[Conflict, ...] = ()
        workspace, undo = "none", None
        if wanted.workspace:
            workspace, files, undo = self._workspaces.merge(session.id, found.source, found.target)
        facts: dict[str, Any] = {
            "tasks": [{"task": c.task, "changes": c.update.model_dump(
                mode="json", exclude_unset=True)} for c in changes],
            "workspace": workspace,
            "files": [conflict.model_dump(mode="json") for conflict in files],
        }  # fmt: skip
        try:
            lines, _ = merge.merge(session, found, wanted, key, facts)
        except BaseException:
            if undo is not None:
                self._workspaces.restore(session.id, found.target, undo)
            raise
        done = tasks_merge.apply(self._tasks, changes, lines[-1].id)
        return told.model_copy(
            update={
                "tip": lines[-1].id,
                "tasks": done,
                "conflicts": (*found.conflicts, *files),
                "workspace": workspace,
                "changed": True,
            }
        )

    def _made_before(self, session: SessionFile, key: str) -> Line | None:
        made = session.made_by(key)
        if made is None or records.kind_of(made.type, made.data) != records.MERGE:
            return None
        return session.line(session.node(made.id))

    def _again(self, session: SessionFile, made: Line) -> Merged:
        """The answer again, and what a crash may have kept from being done."""
        facts = records.facts(made.data)
        changes = [
            tasks_merge.Change(str(one["task"]), UpdateTask(**one["changes"]))
            for one in facts.get("tasks", ())
        ]
        done = tasks_merge.apply(self._tasks, changes, made.id)
        known = ("source", "target", "strategy", "base", "ours", "theirs", "added", "repeated")
        conflicts = [*facts.get("conflicts", ()), *facts.get("files", ())]
        return Merged(
            **{name: facts[name] for name in known},
            tip=made.id,
            tasks=done,
            workspace=str(facts.get("workspace", "none")),
            conflicts=tuple(Conflict.model_validate(one) for one in conflicts),
        )
