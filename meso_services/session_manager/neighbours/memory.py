"""The memory, which the memory manager owns: its snapshot, and its part in a restore."""

from __future__ import annotations

import base64
from pathlib import Path

from meso_services.contract import snapshots as wire
from meso_services.session_manager.neighbours.workspaces import ask

SERVICE = "memory-manager"


class Memories:
    """Asks the memory manager on its socket below `run`. Every method raises MesoError."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def snapshot(self) -> wire.MemorySnapshot:
        """All memories by path and hash."""
        return ask(self._run, SERVICE, lambda c: c.get("/v1/snapshot", wire.MemorySnapshot))

    def read(self, file: wire.MemoryFile) -> bytes:
        """A file's bytes."""
        wanted = wire.ReadFile(path=file.path, hash=file.hash)
        found = ask(
            self._run,
            SERVICE,
            lambda c: c.post("/v1/snapshot/read", wanted, wire.FileBytes, once=True),
        )
        return base64.b64decode(found.data)

    def prepare(self, wanted: wire.PrepareRestore) -> wire.Prepared:
        """Prepare a restore; nothing changes yet."""
        return ask(
            self._run, SERVICE, lambda c: c.post("/v1/restores", wanted, wire.Prepared, once=True)
        )

    def put(self, token: str, digest: str, raw: bytes) -> wire.Prepared:
        """Give the bytes of a file that is missing."""
        given = wire.FileBytes(hash=digest, data=base64.b64encode(raw).decode())
        path = f"/v1/restores/{token}/files"
        return ask(self._run, SERVICE, lambda c: c.put(path, given, wire.Prepared))

    def commit(self, token: str) -> wire.RestoreState:
        """Do it; may be asked again."""
        return self._end(token, "commit")

    def abort(self, token: str) -> wire.RestoreState:
        """Forget it."""
        return self._end(token, "abort")

    def _end(self, token: str, how: str) -> wire.RestoreState:
        path = f"/v1/restores/{token}/{how}"
        return ask(
            self._run,
            SERVICE,
            lambda c: c.post(path, wire.Nothing(), wire.RestoreState, once=True),
        )
