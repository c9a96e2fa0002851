"""Tasks of a checkpoint, found again or made anew.

Another appliance gives a task another id. So a task that came from elsewhere remembers in its
metadata what it was there: however often a session goes to and fro, it stays one task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from meso_services.contract.tasks import MAX_METADATA_BYTES, CreateTask, Task, UpdateTask
from meso_services.runtime.errors import MesoError
from meso_services.session_manager.tasks.merge import every
from meso_services.session_manager.tasks.store import TaskStore

ORIGIN = "meso_origin"
CARRIED = ("subject", "description", "status", "owner", "labels", "metadata")


def counterpart(tasks: Iterable[Task], kept: dict[str, Any]) -> Task | None:
    """The task that a checkpoint's task is here."""
    names = {kept["id"], _origin(kept.get("metadata"))} - {None}
    return next((t for t in tasks if t.id in names or _origin(t.metadata) in names), None)


def bring_back(store: TaskStore, session: str, kept: dict[str, Any], token: str = "") -> str:
    """Make a task what it was; one that is not here is made anew. Other tasks stay as they are.

    With the same `token` it may be done again. Raises `task.*`, `storage.*`.
    """
    fields = {name: kept[name] for name in CARRIED}
    fields |= {"session": session, "branch": kept.get("branch")}
    found = _here(store, session, kept)
    if found is None:
        made, _ = store.create(CreateTask.model_validate(fields | _marked(kept)),
                               f"restore.{token}.{kept['id']}" if token else None)  # fmt: skip
        return made.id
    update = UpdateTask.model_validate({**fields, "force": True})
    key = f"restored.{token}.{kept['id']}" if token else None
    return store.update(found.id, update, key).id


def _here(store: TaskStore, session: str, kept: dict[str, Any]) -> Task | None:
    try:
        # Also when it belongs to another session by now.
        return store.get(kept["id"])
    except MesoError as problem:
        if problem.code != "task.not_found":
            raise
    return counterpart(every(store, session), kept)


def _marked(kept: dict[str, Any]) -> dict[str, Any]:
    """Its metadata, with what it was called elsewhere if there is room for it."""
    metadata = dict(kept.get("metadata") or {})
    marked = {**metadata, ORIGIN: _origin(metadata) or kept["id"]}
    size = len(json.dumps(marked, separators=(",", ":")))
    return {"metadata": marked if size <= MAX_METADATA_BYTES else metadata}


def _origin(metadata: dict[str, Any] | None) -> str | None:
    found = (metadata or {}).get(ORIGIN)
    return found if isinstance(found, str) else None
