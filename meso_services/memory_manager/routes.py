"""The routes by which memories are written, read, listed and found."""

from __future__ import annotations

import functools
import pwd
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Response
from pydantic import AfterValidator

from meso_services.contract import memory as wire
from meso_services.contract.common import check_json
from meso_services.memory_manager.files import Entry
from meso_services.memory_manager.guard import marked
from meso_services.memory_manager.store import Caller, Hit, MemoryStore, Written
from meso_services.runtime.app import errors
from meso_services.runtime.peer import Peer, current_peer

SearchQuery = Annotated[str, Query(min_length=1, max_length=2000), AfterValidator(check_json)]
Limit = Annotated[int, Query(ge=1, le=100)]
Name = Annotated[wire.MemoryId, Path()]
By = Annotated[Peer, Depends(current_peer)]
Use = Annotated[bool, Query(description="Whether it counts as use, which strengthens")]
# Being among the first few is a use; the tail of a long list is not.
FOUND = 3


def add_memories(app: FastAPI, store: MemoryStore) -> None:
    """Give `app` the routes `/v1/memories` and `/v1/search`."""

    @app.post("/v1/memories", status_code=201, responses=_WRITE)
    def write(request: wire.WriteRequest, response: Response, peer: By) -> wire.WriteReply:
        """Keep a memory. 200 and `created: false` if the same one was there already."""
        written = store.write(request.content, request.tags, caller_of(peer, request.source))
        if not written.created:
            response.status_code = 200
        return reply_of(written)

    @app.get("/v1/memories/{id}", responses=errors(404))
    def get(id: Name, peer: By, use: Use = True) -> wire.Memory:  # noqa: A002 - the name on the wire
        """One memory, as its file says it now."""
        return memory_of(store.get(id, caller_of(peer) if use else None))

    @app.get("/v1/search")
    def search(q: SearchQuery, peer: By, limit: Limit = 10, use: Use = True) -> wire.SearchReply:
        """Memories that have any of the words, best first, each with the reason for its rank."""
        result = store.search(q, limit)
        if use:
            names = [hit.found.id for hit in result.hits[:FOUND]]
            store.used(names, "found", caller_of(peer).source)
        return wire.SearchReply(
            hits=tuple(_hit(hit) for hit in result.hits),
            words=result.words,
            searched=result.searched,
        )


_WRITE = {200: {"model": wire.WriteReply}, **errors(409, 413, 429, 507)}


def caller_of(peer: Peer, source: str = "") -> Caller:
    """Who calls; without a source of its own, the user is the source."""
    user = _user(peer.uid)
    return Caller(source or user, user)


@functools.lru_cache(maxsize=256)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def reply_of(written: Written) -> wire.WriteReply:
    """What became of a write, on the wire."""
    return wire.WriteReply(
        memory=memory_of(written.entry),
        created=written.created,
        recalled=written.recalled,
        masked=written.masked,
        contradicts=tuple(
            wire.Contradiction(id=name, why=why) for name, why in written.contradicts
        ),
    )


def memory_of(entry: Entry) -> wire.Memory:
    """A memory on the wire."""
    return wire.Memory(
        id=entry.id,
        path=entry.path,
        created=entry.created,
        source=entry.source,
        tags=entry.tags,
        content=entry.content,
        sha256=entry.sha256,
        forgotten=entry.archived,
        also=tuple(
            wire.Provenance(
                source=one.get("source", ""), at=one.get("at", ""), tags=one.get("tags", "")
            )
            for one in entry.also
        ),
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
        quote=marked(found.id, found.snippet),
    )
