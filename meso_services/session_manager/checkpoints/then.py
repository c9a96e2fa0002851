"""The files of a branch as they were at an older entry, as far as a checkpoint kept them."""

from __future__ import annotations

from typing import NamedTuple

from meso_services.runtime.errors import MesoError
from meso_services.session_manager import records
from meso_services.session_manager.checkpoints.shelf import Shelf
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.tree.walk import is_ancestor

MOST = 1000


class Then(NamedTuple):
    """A snapshot, the checkpoint that has it, and the messages between it and the entry."""

    snapshot: str
    checkpoint: str
    messages: int


def files_then(shelf: Shelf, session: SessionFile, at: Node | None) -> Then | None:
    """The newest files that a checkpoint on the way to an entry kept; None if none did."""
    if at is None:
        return None
    with session.lock:
        session.check_current()
        rows = session.index.rows(
            "SELECT seq FROM entries WHERE n=? AND kind=? ORDER BY seq DESC LIMIT ?",
            (session.n, records.CHECKPOINT, MOST),
        )
        made = [session.index.node(session.n, seq) for (seq,) in rows]
        found = []
        for record in made:
            # The record hangs behind what the checkpoint keeps.
            tip = None if record.parent is None else session.index.node(session.n, record.parent)
            if tip is not None and is_ancestor(session, tip, at):
                found.append((tip, record))
    for tip, record in sorted(found, key=lambda pair: -pair[0].depth):
        named = records.facts(session.line(record).data).get("checkpoint")
        try:
            kept = shelf.get(named) if isinstance(named, str) else None
        except MesoError:
            # Retired or damaged: an older one may still be there.
            continue
        if kept is not None and kept.meso.workspace is not None:
            return Then(kept.meso.workspace, kept.checkpoint_id, at.messages - tip.messages)
    return None
