"""The memory manager's routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Query, Response
from pydantic import AfterValidator

from meso_services.contract import memory as wire
from meso_services.contract.common import check_json
from meso_services.memory_manager.files import Entry
from meso_services.memory_manager.health import checks
from meso_services.memory_manager.restoring import Restoring
from meso_services.memory_manager.routes_restoring import add_restoring
from meso_services.memory_manager.settings import Settings
from meso_services.memory_manager.store import Hit, MemoryStore
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service

SearchQuery = Annotated[str, Query(min_length=1, max_length=2000), AfterValidator(check_json)]
Limit = Annotated[int, Query(ge=1, le=100)]
Name = Annotated[wire.MemoryId, Path()]


def build(context: Context[Settings]) -> FastAPI:
    """Open the memories and serve them. The open store survives a reload."""
    settings = context.settings
    store = context.kept.get(
        "store",
        lambda: MemoryStore(context.paths.memory, settings.content_max, settings.rescan_seconds),
        MemoryStore.close,
    )
    store.configure(settings.content_max, settings.rescan_seconds)
    app = application(context, title="MESO memory manager", checks=checks(store))
    _add_routes(app, store)
    add_restoring(app, kept_restoring(context))
    return app


def kept_restoring(context: Context[Settings]) -> Restoring:
    """What takes part in checkpoints; it finishes a restore that a crash interrupted."""
    return context.kept.get("restoring", lambda: Restoring(context.paths.memory))


SERVICE = Service("memory-manager", Settings, build)


def _add_routes(app: FastAPI, store: MemoryStore) -> None:
    @app.post("/v1/memories", status_code=201, responses=_WRITE)
    def write(request: wire.WriteRequest, response: Response) -> wire.WriteReply:
        """Keep a memory. 200 and `created: false` if the same one was there already."""
        entry, created = store.write(request.content, request.source, request.tags)
        if not created:
            response.status_code = 200
        return wire.WriteReply(memory=_memory(entry), created=created)

    @app.get("/v1/memories/{id}", responses=errors(404))
    def get(id: Name) -> wire.Memory:  # noqa: A002 - the name on the wire
        """One memory, as its file says it now."""
        return _memory(store.get(id))

    @app.get("/v1/search")
    def search(q: SearchQuery, limit: Limit = 10) -> wire.SearchReply:
        """Memories that have any of the words, best first, each with the reason for its rank."""
        result = store.search(q, limit)
        return wire.SearchReply(
            hits=tuple(_hit(hit) for hit in result.hits),
            words=result.words,
            searched=result.searched,
        )


_WRITE = {200: {"model": wire.WriteReply}, **errors(413, 507)}


def _memory(entry: Entry) -> wire.Memory:
    return wire.Memory(
        id=entry.id,
        path=entry.path,
        created=entry.created,
        source=entry.source,
        tags=entry.tags,
        content=entry.content,
    )


def _hit(hit: Hit) -> wire.SearchHit:
    found = hit.found
    return wire.SearchHit(
        id=found.id,
        path=found.path,
        created=found.created,
        source=found.source,
        tags=found.tags,
        snippet=found.snippet,
        score=round(found.score, 6),
        matched=hit.matched,
        missing=hit.missing,
    )
