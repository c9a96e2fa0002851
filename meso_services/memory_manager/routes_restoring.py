"""The routes by which memory takes part in checkpoints."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import FastAPI, Path

from meso_services.contract import snapshots as wire
from meso_services.memory_manager.restoring import Restoring
from meso_services.memory_manager.store import MemoryStore
from meso_services.runtime.app import errors

Name = Annotated[wire.Token, Path(alias="token")]
_ERRORS = errors(404, 409, 507)


def add_restoring(app: FastAPI, restoring: Restoring, store: MemoryStore) -> None:
    """Give `app` the routes `/v1/snapshot` and `/v1/restores`."""
    lock = threading.Lock()

    @app.get("/v1/snapshot", responses=_ERRORS)
    def snapshot() -> wire.MemorySnapshot:
        """Every memory by path, size and hash."""
        return restoring.snapshot()

    @app.post("/v1/snapshot/read", responses=_ERRORS)
    def read(wanted: wire.ReadFile) -> wire.FileBytes:
        """The bytes of one memory, if it still has this hash."""
        return restoring.read(wanted)

    @app.post("/v1/restores", responses=_ERRORS)
    def prepare(wanted: wire.PrepareRestore) -> wire.Prepared:
        """Prepare a restore. Nothing changes yet."""
        with lock:
            return restoring.prepare(wanted)

    @app.put("/v1/restores/{token}/files", responses=_ERRORS)
    def put(token: Name, given: wire.FileBytes) -> wire.Prepared:
        """Give the bytes of a file that is missing."""
        with lock:
            return restoring.put(token, given)

    @app.post("/v1/restores/{token}/commit", responses=_ERRORS)
    def commit(token: Name) -> wire.RestoreState:
        """Do what was prepared. It may be asked again.

        The newest commit before it is tagged; what it does is a commit of its own.
        """
        with lock, store.restoring(token):
            return restoring.commit(token)

    @app.post("/v1/restores/{token}/abort", responses=_ERRORS)
    def abort(token: Name) -> wire.RestoreState:
        """Forget what was prepared."""
        with lock:
            return restoring.abort(token)
