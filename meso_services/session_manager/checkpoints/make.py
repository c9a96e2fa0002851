"""Make a checkpoint: ask every participant what it holds, then write it down."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from meso_services.contract import checkpoints as wire
from meso_services.contract.snapshots import MemorySnapshot
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries, records
from meso_services.session_manager.checkpoints.shelf import Shelf
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.index.index import Node, chained
from meso_services.session_manager.model.context import choose
from meso_services.session_manager.model.extract import extract
from meso_services.session_manager.neighbours.identity import Identities
from meso_services.session_manager.neighbours.memory import Memories
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tasks.merge import every
from meso_services.session_manager.tasks.state import ENDED
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.tree.places import ident, tip_node

SUMMARY_BUDGET, SUMMARY_TOKENS = 20_000, 600


@dataclass(frozen=True)
class Neighbours:
    """Who takes part in a checkpoint."""

    store: SessionStore
    tasks: TaskStore
    shelf: Shelf
    identities: Identities
    memories: Memories
    workspaces: Workspaces


def make(
    around: Neighbours, wanted: wire.MakeCheckpoint, most: int, key: str | None
) -> wire.Checkpoint:
    """A checkpoint of a branch. What cannot be kept is named in `meso.missing`, never left out
    silently. Raises `session.*`, `branch.*`, `storage.*`.
    """
    session = around.store.get(wanted.session)
    if key is not None and (before := session.made_by(key)) is not None:
        return _before(around, session, before.data, before.id)
    session.check_open()
    missing: list[str] = []
    with session.lock:
        state = session.state
        branch = wanted.branch or state.head
        tip = tip_node(session, state, branch)
        variables = dict(state.variables) if wanted.variables else None
    tasks = [t for t in every(around.tasks, session.id)
             if t.status not in ENDED and t.branch in (None, branch)]  # fmt: skip
    identity, more = _identity(around, missing)
    files, memory = _memory(around, missing)
    snapshot, tree = _workspace(around, session.id, branch, wanted, missing)
    made = wire.Checkpoint(
        checkpoint_id=str(uuid.uuid4()),
        checkpoint_name=wanted.name or None,
        timestamp=entries.now(),
        created_by=wanted.created_by,
        session=wire.CheckpointSession(
            session_id=session.id,
            branch_point=f"message-index-{tip.messages if tip else 0}",
            branch_name=branch,
            message_count=tip.messages if tip else 0,
        ),
        identity=identity,
        memory_snapshot=files,
        active_tasks=tuple(
            wire.CheckpointTask(
                task_id=t.id, subject=t.subject, status=t.status, metadata=t.metadata
            )
            for t in tasks
        ),
        context_summary=_summary(session, tip) if wanted.summary is None else wanted.summary,
        operator_note=wanted.note,
        meso=wire.CheckpointMore(
            tip=ident(tip),
            chain=chain(tip),
            tasks=tuple(t.model_dump(mode="json") for t in tasks),
            variables=variables,
            workspace=snapshot,
            workspace_tree=tree,
            missing=tuple(missing),
            **more,
        ),
    )
    with around.shelf.lock:
        _keep_bytes(around, memory)
        kept = around.shelf.keep(made)
    _recorded(session, branch, kept, wanted, key)
    around.shelf.retire(most)
    return kept


def chain(tip: Node | None) -> str:
    """A hash over every id on the way to an entry. Ids are made from contents."""
    return (tip.chain if tip else chained(b"", "")).hex()


def _identity(
    around: Neighbours, missing: list[str]
) -> tuple[wire.CheckpointIdentity, dict[str, Any]]:
    try:
        found = around.identities.record()
    except MesoError as problem:
        missing.append(f"identity: {problem.message}")
        empty = wire.CheckpointIdentity(
            genome_version=None, loaded_zooids=(), loaded_operons=(), operon_versions={}
        )
        return empty, {}
    identity = wire.CheckpointIdentity(
        genome_version=found.parts.genome,
        loaded_zooids=tuple(sorted(found.zooid_versions)),
        loaded_operons=tuple(sorted(found.operon_versions)),
        operon_versions=dict(found.operon_versions),
    )
    return identity, {"identity_hash": found.hash, "zooid_versions": dict(found.zooid_versions)}


def _memory(
    around: Neighbours, missing: list[str]
) -> tuple[wire.CheckpointMemory | None, MemorySnapshot | None]:
    try:
        found = around.memories.snapshot()
    except MesoError as problem:
        missing.append(f"memory: {problem.message}")
        return None, None
    files = tuple(wire.CheckpointFile(path=f.path, size=f.size, hash=f.hash) for f in found.files)
    return wire.CheckpointMemory(hash=found.hash, files=files), found


def _keep_bytes(around: Neighbours, memory: MemorySnapshot | None) -> None:
    for file in memory.files if memory else ():
        if not around.shelf.has(file.hash) and file.hash not in around.shelf.purged:
            around.shelf.put(around.memories.read(file))


def _workspace(
    around: Neighbours,
    session: str,
    branch: str,
    wanted: wire.MakeCheckpoint,
    missing: list[str],
) -> tuple[str | None, str | None]:
    try:
        found = around.workspaces.snapshot(session, branch, wanted.name or "checkpoint")
    except MesoError as problem:
        missing.append(f"workspace: {problem.message}")
        return None, None
    if found is None:
        return None, None
    missing.extend(f"workspace: {path} is no file that can be kept" for path in found.left_out)
    return found.snapshot, found.tree


def _summary(session: SessionFile, tip: Node | None) -> str:
    return extract(choose(session, tip, SUMMARY_BUDGET).lines, SUMMARY_TOKENS)


def _recorded(
    session: SessionFile,
    branch: str,
    kept: wire.Checkpoint,
    wanted: wire.MakeCheckpoint,
    key: str | None,
) -> None:
    """Say in the session that there is one. It hangs on the branch, behind what is kept."""

    def plan(state: State) -> list[Draft]:
        facts = {"checkpoint": kept.checkpoint_id, "name": kept.checkpoint_name}
        own = {} if branch == state.head else {"branch": branch}
        return [Draft("custom", records.data(records.CHECKPOINT, **facts),
                      session.tip(state, branch), own)]  # fmt: skip

    session.change(plan, key, digest("checkpoint", wanted))


def _before(
    around: Neighbours, session: SessionFile, data: dict[str, Any], entry: str
) -> wire.Checkpoint:
    facts = records.facts(data)
    if not isinstance(made := facts.get("checkpoint"), str):
        raise MesoError(
            "idempotency.conflict",
            f"the idempotency key was used for entry {entry} of session {session.id}",
            status=409,
            hint="use a new key for each new checkpoint",
        )
    return around.shelf.get(made)
