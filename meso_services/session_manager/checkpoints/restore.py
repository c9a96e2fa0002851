"""Bring a checkpoint back: session, branch, files, tasks and, if asked for, memory. All or nothing.

In two phases. First everything that can fail is tried: the checkpoint is verified, memory is
prepared, the files are put back (what was there is kept as a snapshot). Then one line in the
session decides. Memory and tasks follow that decision; if a crash comes between, the journal says
at the next start whether to finish or to undo.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meso_services.contract import checkpoints as wire
from meso_services.contract.snapshots import MemoryFile, PrepareRestore
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries, records
from meso_services.session_manager.checkpoints.make import Neighbours, chain
from meso_services.session_manager.checkpoints.tasks import bring_back
from meso_services.session_manager.file import Draft, SessionFile
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.state import State
from meso_services.session_manager.tree.branches import check_free
from meso_services.session_manager.tree.places import tip_node
from meso_services.session_manager.tree.walk import Walker, is_ancestor

JOURNAL = ".restores"
# Records that hold nothing a branch could lose.
PASSING = frozenset(
    {
        *(records.CHECKPOINT, records.HANDOFF, records.PICKUP, records.RESTORE),
        *(records.HEAD, records.BRANCH, records.RESET),
    }
)
_log = Log("meso.checkpoints")


@dataclass(frozen=True)
class Attempt:
    """One restore, as its journal has it. `before` is the snapshot of the files that gave way."""

    token: str
    checkpoint: str
    session: str
    branch: str
    memory: str
    tasks: bool
    before: str | None = None


def restore(around: Neighbours, ident: str, wanted: wire.RestoreCheckpoint) -> wire.Restored:
    """Restore, or say what it would do. Raises `checkpoint.*`, `session.*`, `branch.*`, and what
    the participants refuse; then nothing has changed.
    """
    found = around.shelf.get(ident)
    session = around.store.get(found.session.session_id)
    if not wanted.dry_run:
        session.check_open()
    _verify(session, found)
    branch = wanted.branch or found.session.branch_name
    told = _told(around, found, session, branch, wanted)
    if wanted.dry_run:
        return told
    attempt = Attempt(secrets.token_hex(16), ident, session.id, branch, wanted.memory, wanted.tasks)
    journal = _Journal(around.shelf.place / JOURNAL)
    journal.write(attempt)
    try:
        if wanted.memory != "keep":
            _prepare_memory(around, found, attempt)
        if wanted.workspace and found.meso.workspace:
            done = around.workspaces.restore(session.id, branch, found.meso.workspace)
            attempt = replace(attempt, before=done.before)
            journal.write(attempt)
        entry = _decide(session, found, attempt, wanted)
    except BaseException:
        _undo(around, attempt)
        journal.end(attempt)
        raise
    return _follow(around, journal, attempt, found, told.model_copy(update={"tip": entry}))


def recover(around: Neighbours) -> None:
    """Finish or undo what a crash interrupted."""
    journal = _Journal(around.shelf.place / JOURNAL)
    for attempt in journal.open():
        try:
            if _decided(around, attempt):
                _finish(around, attempt, around.shelf.get(attempt.checkpoint))
            else:
                _undo(around, attempt)
            journal.end(attempt)
            _log.warning("ended a restore that was interrupted", checkpoint=attempt.checkpoint)
        except MesoError as problem:
            _log.warning("a restore is not ended yet", reason=problem.message)


def _verify(session: SessionFile, found: wire.Checkpoint) -> None:
    tip = session.node(found.meso.tip) if found.meso.tip else None
    if chain(tip) != found.meso.chain:
        raise MesoError(
            "checkpoint.session_differs",
            f"session {session.id} has another way to entry {found.meso.tip} than the checkpoint",
            status=409,
            hint="its file was changed; import the checkpoint's export to have its own copy",
        )


def _told(
    around: Neighbours,
    found: wire.Checkpoint,
    session: SessionFile,
    branch: str,
    wanted: wire.RestoreCheckpoint,
) -> wire.Restored:
    same, differs = identity_of(around, found)
    with session.lock:
        kept = _kept_branch(session, session.state, found, branch, wanted)
    has_files = wanted.workspace and found.meso.workspace
    if wanted.memory != "keep" and found.memory_snapshot is None:
        raise MesoError(
            "checkpoint.no_memory", "the checkpoint holds no memory", status=409,
            hint="restore it with memory=keep",
        )  # fmt: skip
    return wire.Restored.model_validate(
        {
            "checkpoint": found.checkpoint_id,
            "session": found.session.session_id,
            "branch": branch,
            "tip": found.meso.tip,
            "kept_branch": kept,
            "identity": same,
            "identity_differs": differs,
            "tasks": [t["id"] for t in found.meso.tasks] if wanted.tasks else [],
            "memory": wanted.memory if wanted.memory != "keep" else "kept",
            "workspace": "restored" if has_files else "none",
            "dry_run": wanted.dry_run,
        }
    )


def identity_of(around: Neighbours, found: wire.Checkpoint) -> tuple[str, tuple[str, ...]]:
    """`same`, `different` or `unknown` beside who the agent is now, and what differs."""
    try:
        now = around.identities.record()
    except MesoError:
        return "unknown", ()
    if found.meso.identity_hash is None:
        return "unknown", ()
    if now.hash == found.meso.identity_hash:
        return "same", ()
    differs = []
    if now.parts.genome != found.identity.genome_version:
        differs.append("genome")
    pairs = (
        ("zooid", found.meso.zooid_versions, now.zooid_versions),
        ("operon", found.identity.operon_versions, now.operon_versions),
    )
    for kind, then, today in pairs:
        names = sorted(then.keys() | today.keys())
        differs += [f"{kind} {name}" for name in names if then.get(name) != today.get(name)]
    return "different", tuple(differs)


def _kept_branch(
    session: SessionFile,
    state: State,
    found: wire.Checkpoint,
    branch: str,
    wanted: wire.RestoreCheckpoint,
) -> str | None:
    """The name under which what the branch has now is kept, if it would be lost from sight."""
    if wanted.branch is not None:
        check_free(session, state, branch)
        return None
    if branch not in state.refs:
        return None
    tip = _said_last(session, tip_node(session, state, branch))
    to = session.node(found.meso.tip) if found.meso.tip else None
    if tip is None or (to is not None and is_ancestor(session, tip, to)):
        return None
    name = f"before-{found.checkpoint_id[:8]}"
    number = 1
    while name in state.refs:
        number += 1
        name = f"before-{found.checkpoint_id[:8]}-{number}"
    check_free(session, state, name)
    return name


def _said_last(session: SessionFile, tip: Node | None) -> Node | None:
    """The newest entry that would be missed: marks of checkpoints and branches would not."""
    walker = Walker(session)
    return next((node for node in walker.back(tip) if node.kind not in PASSING), None)


def _prepare_memory(around: Neighbours, found: wire.Checkpoint, attempt: Attempt) -> None:
    memory = found.memory_snapshot
    files = [
        MemoryFile(path=file.path, size=file.size, hash=file.hash)
        for file in (memory.files if memory else ())
        if file.hash not in around.shelf.purged
    ]
    asked = PrepareRestore.model_validate(
        {"token": attempt.token, "mode": attempt.memory, "files": tuple(files)}
    )
    missing = around.memories.prepare(asked).missing
    for digest in missing:
        around.memories.put(attempt.token, digest, around.shelf.bytes(digest))


def _decide(
    session: SessionFile,
    found: wire.Checkpoint,
    attempt: Attempt,
    wanted: wire.RestoreCheckpoint,
) -> str:
    """The line that decides. After it the restore is done, whatever happens."""

    def plan(state: State) -> Sequence[Draft]:
        session.check_open()
        branch, old = attempt.branch, state.refs.get(attempt.branch)
        facts: dict[str, Any] = {
            "checkpoint": found.checkpoint_id,
            "token": attempt.token,
            "from": old,
            "keep": _kept_branch(session, state, found, branch, wanted),
        }
        if wanted.variables and found.meso.variables is not None:
            facts["set"] = found.meso.variables
            facts["unset"] = sorted(state.variables.keys() - found.meso.variables.keys())
        return [Draft("custom", records.data(records.RESTORE, **facts), found.meso.tip,
                      {"branch": branch})]  # fmt: skip

    lines, _ = session.change(plan)
    return lines[-1].id


def _follow(
    around: Neighbours,
    journal: _Journal,
    attempt: Attempt,
    found: wire.Checkpoint,
    told: wire.Restored,
) -> wire.Restored:
    try:
        done = _finish(around, attempt, found)
    except MesoError as problem:
        # Decided: the journal stays, and the next start or restore finishes it.
        _log.warning("a restore is not ended yet", reason=problem.message)
        reason = f"decided, not finished yet: {problem.message}"
        return told.model_copy(update={"memory": reason, "workspace_before": attempt.before})
    journal.end(attempt)
    return told.model_copy(update={**done, "workspace_before": attempt.before})


def _finish(around: Neighbours, attempt: Attempt, found: wire.Checkpoint) -> dict[str, Any]:
    """What follows a decision. It may be done again."""
    done: dict[str, Any] = {"memory": "kept"}
    if attempt.memory != "keep":
        state = around.memories.commit(attempt.token)
        done["memory"] = f"{attempt.memory}; what gave way is in {state.kept_as}"
    if attempt.tasks:
        done["tasks"] = tuple(
            bring_back(around.tasks, attempt.session, task, attempt.token)
            for task in found.meso.tasks
        )
    return done


def _undo(around: Neighbours, attempt: Attempt) -> None:
    """Make everything what it was."""
    if attempt.memory != "keep":
        try:
            around.memories.abort(attempt.token)
        except MesoError as problem:
            # What was only prepared has changed nothing.
            _log.info("memory did not hear of an abort", reason=problem.message)
    if attempt.before is not None:
        around.workspaces.restore(attempt.session, attempt.branch, attempt.before)


def _decided(around: Neighbours, attempt: Attempt) -> bool:
    """Is the line that decides in the session?"""
    session = around.store.get(attempt.session)
    with session.lock:
        session.check_current()
        rows = around.store.index.rows(
            "SELECT seq FROM entries WHERE n=? AND kind=? ORDER BY seq DESC LIMIT 100",
            (session.n, records.RESTORE),
        )
        nodes = [session.index.node(session.n, seq) for (seq,) in rows]
    found = (records.facts(line.data) for line in session.lines(nodes))
    return any(facts.get("token") == attempt.token for facts in found)


class _Journal:
    """Restores that have begun and not ended: one small file each."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def write(self, attempt: Attempt) -> None:
        path = self._place / f"{attempt.token}.json"
        try:
            durable.make_directories(self._place)
            durable.write(path, entries.encode(vars(attempt)))
        except OSError as problem:
            raise storage_error(problem, path) from problem

    def end(self, attempt: Attempt) -> None:
        durable.remove(self._place / f"{attempt.token}.json")

    def open(self) -> list[Attempt]:
        found = []
        for path in sorted(self._place.glob("*.json")) if self._place.is_dir() else ():
            try:
                found.append(Attempt(**json.loads(path.read_bytes())))
            except (OSError, ValueError, TypeError) as problem:
                _log.warning(
                    "left a journal of a restore alone", file=path.name, reason=str(problem)
                )
        return found
