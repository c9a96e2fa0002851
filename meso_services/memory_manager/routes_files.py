"""The routes by which memories are read and written by their paths, and listed."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response
from pydantic import AfterValidator

from meso_services.contract import memory as wire
from meso_services.contract.common import check_json
from meso_services.contract.snapshots import MemoryPath
from meso_services.memory_manager.acts import Acts
from meso_services.memory_manager.index import Index
from meso_services.memory_manager.routes import By, Limit, Use, caller_of, memory_of, reply_of
from meso_services.memory_manager.store import MemoryStore
from meso_services.runtime.app import errors

_WRITE = {200: {"model": wire.WriteReply}, **errors(409, 413, 429, 507)}
_Path = Annotated[MemoryPath, Query(), AfterValidator(check_json)]
_After = Annotated[str | None, Query(max_length=64), AfterValidator(check_json)]
_Word = Annotated[str | None, Query(max_length=200), AfterValidator(check_json)]


def add_files(app: FastAPI, store: MemoryStore, acts: Acts) -> None:
    """Give `app` the routes `/v1/files` and the list of `/v1/memories`."""

    @app.get("/v1/memories")
    def list_(
        limit: Limit = 50, after: _After = None, source: _Word = None, tag: _Word = None,
        forgotten: bool = False,
    ) -> wire.MemoryPage:  # fmt: skip
        """Memories by their ids' order; of one source, with one tag, or the forgotten ones."""

        def look(index: Index) -> list[str]:
            return index.page(after or "", limit + 1, source=source, tag=tag, archived=forgotten)

        names = store.in_lock(look, fresh=True)
        with store.lock:
            found = store.index.use(lambda i: [store.entry(i, name) for name in names[:limit]])
        return wire.MemoryPage(
            memories=tuple(memory_of(entry) for entry in found if entry),
            next=names[limit - 1] if len(names) > limit else None,
        )

    @app.get("/v1/files", responses=errors(404, 409))
    def read(path: _Path, peer: By, use: Use = True) -> wire.Memory:
        """The memory at a path below /meso/memory."""
        return memory_of(acts.read_path(path, caller_of(peer) if use else None))

    @app.put("/v1/files", status_code=201, responses=_WRITE)
    def write(request: wire.FileWrite, response: Response, peer: By) -> wire.WriteReply:
        """What the memory at a path says from now on. 200 if there was one."""
        written = acts.write_path(
            request.path, request.content, request.tags, caller_of(peer, request.source),
            if_sha256=request.if_sha256,
        )  # fmt: skip
        if not written.created:
            response.status_code = 200
        return reply_of(written)

    @app.post("/v1/files/append", status_code=201, responses=_WRITE)
    def append(request: wire.FileAppend, response: Response, peer: By) -> wire.WriteReply:
        """Add to the memory at a path, or begin it. 200 if there was one."""
        caller = caller_of(peer, request.source)
        written = acts.append_path(request.path, request.content, caller)
        if not written.created:
            response.status_code = 200
        return reply_of(written)
