"""Hand a session to another platform or appliance, and pick it up there."""

from __future__ import annotations

from typing import Any

from meso_services.contract import handoffs as wire
from meso_services.contract.checkpoints import MakeCheckpoint, RestoreCheckpoint
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import records
from meso_services.session_manager.checkpoints.make import Neighbours
from meso_services.session_manager.checkpoints.make import make as checkpoint
from meso_services.session_manager.checkpoints.restore import restore
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.handing.opening import opened
from meso_services.session_manager.state import State
from meso_services.session_manager.tasks.merge import every
from meso_services.session_manager.tasks.state import ENDED
from meso_services.session_manager.tree.places import ident, tip_node

CUSTOM = "handoff"
MOST_NAME = 200


def handoff(
    around: Neighbours, session_id: str, wanted: wire.Handoff, most: int, key: str | None
) -> wire.HandedOff:
    """Write the note, which the next model is sent, and keep a checkpoint behind it.

    The checkpoint has a name, so it stays until it is deleted. Raises what a checkpoint raises.
    """
    session = around.store.get(session_id)
    session.check_open()
    with session.lock:
        state = session.state
        branch = wanted.branch or state.head
        tip = tip_node(session, state, branch)
    tasks = [t.id for t in every(around.tasks, session.id)
             if t.status not in ENDED and t.branch in (None, branch)]  # fmt: skip
    facts: dict[str, Any] = {
        "session": session.id,
        "branch": branch,
        "note": wanted.note,
        "to": wanted.to,
        "dry_run": wanted.dry_run,
    }
    if wanted.dry_run:
        return wire.HandedOff(
            checkpoint=None, tip=ident(tip), messages=tip.messages if tip else 0,
            tasks=tuple(tasks), workspace=_has_files(around, session.id, branch), **facts,
        )  # fmt: skip
    _say(session, branch, wanted, key)
    name = f"handoff to {wanted.to}"[:MOST_NAME] if wanted.to else "handoff"
    made = checkpoint(
        around,
        MakeCheckpoint(session=session.id, branch=branch, name=name, note=wanted.note,
                       variables=True, created_by="handoff"),
        most,
        key,
    )  # fmt: skip
    _record(session, branch, key, records.HANDOFF, checkpoint=made.checkpoint_id,
            note=wanted.note, to=wanted.to)  # fmt: skip
    return wire.HandedOff(
        checkpoint=made.checkpoint_id, tip=made.meso.tip,
        messages=made.session.message_count, missing=made.meso.missing,
        tasks=tuple(t.task_id for t in made.active_tasks),
        workspace=made.meso.workspace is not None, **facts,
    )  # fmt: skip


def pickup(around: Neighbours, ident: str, wanted: wire.Pickup) -> wire.PickedUp:
    """Restore a checkpoint to go on with it. Raises what a restore raises; then nothing changed."""
    found = around.shelf.get(ident)
    session = around.store.get(found.session.session_id)
    asked = RestoreCheckpoint(
        memory=wanted.memory,
        branch=wanted.branch,
        workspace=wanted.workspace,
        dry_run=wanted.dry_run,
    )
    with opened(around.store, session, dry_run=wanted.dry_run) as archived:
        done = restore(around, ident, asked)
    if not wanted.dry_run:
        _record(session, done.branch, None, records.PICKUP, checkpoint=ident, on=wanted.on)
    return wire.PickedUp(
        restored=done,
        note=found.operator_note,
        summary=found.context_summary,
        unarchived=archived,
        on=wanted.on,
    )


def _has_files(around: Neighbours, session: str, branch: str) -> bool:
    try:
        return around.workspaces.has(session, branch)
    except MesoError:
        # A handoff would say so in `missing`; a dry run only tells what it can see.
        return False


def _say(session: SessionFile, branch: str, wanted: wire.Handoff, key: str | None) -> None:
    """The note as an entry that Pi and every model see: Pi's own type for such a thing."""
    if not wanted.note.strip():
        return
    head = f"Handoff to {wanted.to}" if wanted.to else "Handoff"
    data = {
        "customType": CUSTOM,
        "content": f"{head}: {wanted.note}",
        "display": True,
        "details": {"to": wanted.to},
    }

    def plan(state: State) -> list[Draft]:
        own = {} if branch == state.head else {"branch": branch}
        return [Draft("custom_message", data, session.tip(state, branch), own)]

    session.change(plan, key and f"{key}.note", digest("handoff", wanted))


def _record(
    session: SessionFile, branch: str, key: str | None, kind: str, /, **facts: object
) -> None:
    def plan(state: State) -> list[Draft]:
        own = {} if branch == state.head else {"branch": branch}
        return [Draft("custom", records.data(kind, **facts), session.tip(state, branch), own)]

    session.change(plan, key and f"{key}.done", digest(kind, str(facts.get("checkpoint"))))
