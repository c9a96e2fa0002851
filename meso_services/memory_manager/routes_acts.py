"""The routes for the life of memories: forget, fade, why, history, and what keeps them whole."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, FastAPI

from meso_services.contract import memory as wire
from meso_services.memory_manager import asking, telling
from meso_services.memory_manager.acts import Acts
from meso_services.memory_manager.purging import Purging
from meso_services.memory_manager.routes import By, Name, caller_of, memory_of
from meso_services.memory_manager.store import Caller, MemoryStore
from meso_services.memory_manager.syncing import Syncing
from meso_services.runtime.app import errors
from meso_services.runtime.peer import Peer, require_operator

Operator = Annotated[Peer, Depends(require_operator)]
_CHANGE = errors(404, 409, 507)


def add_acts(app: FastAPI, store: MemoryStore, acts: Acts, purging: Purging,
             syncing: Syncing) -> None:  # fmt: skip
    """Give `app` those routes."""
    _add_changes(app, acts)
    _add_told(app, store)

    @app.post("/v1/memories/{id}/purge", responses=errors(403, 404, 409, 507))
    def purge(id: Name, wanted: wire.By, peer: Operator) -> wire.Receipt:  # noqa: A002
        """Remove a memory from everywhere, for good. Only an operator may."""
        return purging.purge(id, _by(peer, wanted.source))

    @app.post("/v1/memories/{id}/check", responses=errors(404, 502))
    def check(id: Name, wanted: wire.Check) -> wire.Checked:  # noqa: A002
        """Ask a model which memories cannot be true beside this one; the older ones fade faster."""
        return asking.check(store, purging.run, id, wanted.model)

    @app.post("/v1/sync", responses=errors(403, 404, 409, 507))
    def sync(wanted: wire.Sync, peer: Operator) -> wire.SyncReply:
        """Exchange memories with another repository. Only an operator may."""
        return syncing.sync(wanted.remote, caller_of(peer), dry_run=wanted.dry_run)

    @app.post("/v1/reindex", responses=errors(507))
    def reindex() -> wire.Reindexed:
        """Throw the indexes away and build them from the files."""
        began = time.monotonic()
        count = store.reindex()
        return wire.Reindexed(memories=count, seconds=round(time.monotonic() - began, 3))


def _add_changes(app: FastAPI, acts: Acts) -> None:
    @app.post("/v1/memories/{id}/forget", responses=_CHANGE)
    def forget(id: Name, wanted: wire.By, peer: By) -> wire.Memory:  # noqa: A002
        """Hide a memory; its file is in the archive afterwards, for everybody to read."""
        return memory_of(acts.forget(id, _by(peer, wanted.source), wanted.reason))

    @app.post("/v1/memories/{id}/unforget", responses=_CHANGE)
    def unforget(id: Name, wanted: wire.By, peer: By) -> wire.Memory:  # noqa: A002
        """Bring a forgotten memory back."""
        return memory_of(acts.unforget(id, _by(peer, wanted.source), wanted.reason))

    @app.post("/v1/memories/{id}/revert", responses=_CHANGE)
    def revert(id: Name, wanted: wire.Revert, peer: By) -> wire.Memory:  # noqa: A002
        """Make a memory say what it said at a commit; also one that is gone."""
        return memory_of(acts.revert(id, wanted.commit, _by(peer, wanted.source)))

    @app.post("/v1/fade", responses=_CHANGE)
    def fade(wanted: wire.Fade, peer: By) -> wire.FadeReply:
        """Archive what is old, unused and weak."""
        faded, kept = acts.fade(
            wanted.age_seconds, wanted.below, _by(peer, wanted.source), dry_run=wanted.dry_run
        )
        return wire.FadeReply(
            faded=tuple(
                wire.Faded(id=one.entry.id, path=one.entry.path, title=one.entry.title,
                           strength=round(one.strength, 6))
                for one in faded
            ),
            kept=kept,
            dry_run=wanted.dry_run,
        )  # fmt: skip


def _add_told(app: FastAPI, store: MemoryStore) -> None:
    @app.get("/v1/memories/{id}/why", responses=errors(404))
    def why(id: Name) -> wire.Why:  # noqa: A002
        """A memory's strength and its whole life."""
        return telling.why(store, id)

    @app.get("/v1/memories/{id}/history", responses=errors(404))
    def history(id: Name) -> wire.History:  # noqa: A002
        """The commits that changed a memory."""
        return telling.history(store, id)

    @app.get("/v1/stats")
    def stats() -> wire.Stats:
        """Figures of all memories."""
        return telling.stats(store)


def _by(peer: Peer, source: str) -> Caller:
    return caller_of(peer, "" if source == "unspecified" else source)
