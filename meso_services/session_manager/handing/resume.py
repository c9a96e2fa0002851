"""Go on where a session was left: bring back what is missing, say what differs."""

from __future__ import annotations

from meso_services.contract import handoffs as wire
from meso_services.contract.checkpoints import Checkpoint, RestoreCheckpoint
from meso_services.contract.tasks import Task
from meso_services.runtime.errors import MesoError
from meso_services.session_manager.checkpoints.make import Neighbours
from meso_services.session_manager.checkpoints.restore import identity_of, restore
from meso_services.session_manager.checkpoints.tasks import bring_back, counterpart
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.handing.opening import opened
from meso_services.session_manager.tasks.merge import every
from meso_services.session_manager.tasks.state import ENDED
from meso_services.session_manager.tree.places import ident, tip_node
from meso_services.session_manager.tree.walk import is_ancestor

MOST_FILES = 1000


def resume(around: Neighbours, session_id: str, wanted: wire.Resume) -> wire.Resumed:
    """Raises `session.*`, `checkpoint.*`, and what a restore raises."""
    session = around.store.get(session_id)
    found = _checkpoint(around, session, wanted)
    with opened(around.store, session, dry_run=wanted.dry_run) as archived:
        told = _exactly(around, session, found, wanted) if wanted.exact else None
        if told is None:
            told = _onward(around, session, found, wanted)
    return told.model_copy(update={"unarchived": archived})


def _checkpoint(around: Neighbours, session: SessionFile, wanted: wire.Resume) -> Checkpoint | None:
    """The one asked for, or the newest of the current branch."""
    ident = wanted.checkpoint
    if ident is None:
        head = session.state.head
        rows = [row for row in around.shelf.rows(session.id).checkpoints if row.branch_name == head]
        ident = rows[-1].checkpoint_id if rows else None
    if ident is None:
        if wanted.exact:
            raise MesoError(
                "checkpoint.not_found",
                f"there is no checkpoint of branch {session.state.head} of session {session.id}",
                status=404,
                hint="resume without exact goes on where the session's last entry stands",
            )
        return None
    found = around.shelf.get(ident)
    if found.session.session_id != session.id:
        raise MesoError(
            "checkpoint.session_differs",
            f"checkpoint {ident} is one of session {found.session.session_id}",
            status=409,
            hint="name one of this session's, or resume that session",
        )
    return found


def _exactly(
    around: Neighbours, session: SessionFile, found: Checkpoint | None, wanted: wire.Resume
) -> wire.Resumed | None:
    if found is None:
        return None
    before = _compared(around, session, found)
    done = restore(
        around,
        found.checkpoint_id,
        RestoreCheckpoint(memory=wanted.memory, dry_run=wanted.dry_run),
    )
    return before.model_copy(
        update={
            "branch": done.branch,
            "tip": done.tip,
            "tasks_restored": done.tasks,
            "workspace": done.workspace,
            "workspace_before": done.workspace_before,
            "kept_branch": done.kept_branch,
            "exact": True,
            "dry_run": wanted.dry_run,
        }
    )


def _onward(
    around: Neighbours, session: SessionFile, found: Checkpoint | None, wanted: wire.Resume
) -> wire.Resumed:
    told = _compared(around, session, found)
    update: dict[str, object] = {"dry_run": wanted.dry_run}
    missing = {task.task for task in told.tasks_differ if task.now is None}
    if found is not None and told.workspace == "missing":
        if not wanted.dry_run and found.meso.workspace is not None:
            around.workspaces.restore(session.id, told.branch, found.meso.workspace)
        update["workspace"] = "restored"
    if found is not None and missing:
        lost = [task for task in found.meso.tasks if task["id"] in missing]
        back = lost if wanted.dry_run else [bring_back(around.tasks, session.id, t) for t in lost]
        names = tuple(one["id"] if isinstance(one, dict) else one for one in back)
        update |= {"tasks_restored": names, "tasks": (*told.tasks, *names)}
    return told.model_copy(update=update)


def _compared(around: Neighbours, session: SessionFile, found: Checkpoint | None) -> wire.Resumed:
    with session.lock:
        state = session.state
        branch, tip = state.head, tip_node(session, state, state.head)
        since = None
        if found is not None:
            at = session.node(found.meso.tip) if found.meso.tip else None
            if at is None or is_ancestor(session, at, tip):
                since = (tip.depth if tip else 0) - (at.depth if at else 0)
    own = list(every(around.tasks, session.id))
    identity, differs = identity_of(around, found) if found else ("unknown", ())
    files, paths = _files(around, session.id, branch, found)
    return wire.Resumed.model_validate(
        {
            "session": session.id,
            "branch": branch,
            "tip": ident(tip),
            "checkpoint": found.checkpoint_id if found else None,
            "note": found.operator_note if found else "",
            "entries_since": since,
            "tasks": [t.id for t in own if t.status not in ENDED and t.branch in (None, branch)],
            "tasks_differ": _tasks(own, found),
            "workspace": files,
            "files_differ": paths[:MOST_FILES],
            "identity": identity,
            "identity_differs": differs,
            "exact": False,
            "dry_run": False,
        }
    )


def _tasks(own: list[Task], found: Checkpoint | None) -> list[wire.TaskDiffers]:
    differ = []
    for kept in found.meso.tasks if found else ():
        here = counterpart(own, kept)
        then, now = f"{kept['status']}: {kept['subject']}", None
        if here is not None:
            now = f"{here.status.value}: {here.subject}"
        if now != then:
            name = here.id if here else kept["id"]
            differ.append(wire.TaskDiffers(task=name, subject=kept["subject"], then=then, now=now))
    return differ


def _files(
    around: Neighbours, session: str, branch: str, found: Checkpoint | None
) -> tuple[str, list[str]]:
    kept = found.meso.workspace if found and found.session.branch_name == branch else None
    try:
        if kept is None:
            return ("same" if around.workspaces.has(session, branch) else "none"), []
        if not around.workspaces.has(session, branch):
            return "missing", []
        paths = around.workspaces.differing(session, kept, branch)
    except MesoError as problem:
        return f"not looked at: {problem.message}", []
    return ("differs" if paths else "same"), paths
