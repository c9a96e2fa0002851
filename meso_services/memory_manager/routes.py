"""The routes by which memories are written, read, listed and found."""

from __future__ import annotations

import functools
import pwd
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Response
from pydantic import AfterValidator

from meso_services.contract import memory as wire
from meso_services.contract.common import check_json
from meso_services.memory.engine import Filters
from meso_services.memory.search import Ranked
from meso_services.memory.words import snippet, words_of
from meso_services.memory_manager.files import Entry
from meso_services.memory_manager.guard import marked, without_recalled
from meso_services.memory_manager.store import Caller, MemoryStore, Written
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import Peer, current_peer

SearchQuery = Annotated[str, Query(min_length=1, max_length=2000), AfterValidator(check_json)]
Limit = Annotated[int, Query(ge=1, le=100)]
Name = Annotated[wire.MemoryId, Path()]
By = Annotated[Peer, Depends(current_peer)]
Use = Annotated[bool, Query(description="Whether it counts as use, which strengthens")]
# Being among the first few is a use; the tail of a long list is not.
FOUND = 3
MOST_TEXT = 4000
Moment = Annotated[datetime | None, Query(description="ISO 8601; without a zone it is UTC")]
Words = Annotated[tuple[wire.Source, ...], Query(max_length=16)]


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
    def search(  # noqa: PLR0913 (the filters)
        q: SearchQuery, peer: By, *, limit: Limit = 10, since: Moment = None, until: Moment = None,
        source: Words = (), tag: Words = (), use: Use = True,
    ) -> wire.SearchReply:  # fmt: skip
        """Memories that have the words or the meaning, best first, each with its reasons.

        `source` may be given several times (any of them), and `tag` (all of them).
        """
        filters = Filters(_seconds(since), _seconds(until), tuple(source), tuple(tag))
        result = store.search(q, limit, filters)
        if use:
            names = [ranked.document.id for ranked, _, _ in result.hits[:FOUND]]
            store.used(names, "found", caller_of(peer).source)
        return wire.SearchReply(
            hits=tuple(_hit(store, *hit, result.words) for hit in result.hits),
            words=result.words,
            searched=result.searched,
            meaning=result.meaning,
        )

    @app.post("/v1/related", responses=errors(404))
    def related(wanted: wire.RelatedRequest, peer: By) -> wire.RelatedReply:
        """Memories related to one, or to a conversation; `context` is ready for a prompt."""
        hits = related_to(store, wanted)
        if wanted.use:
            store.used([hit.id for hit in hits[:FOUND]], "found", caller_of(peer).source)
        context = "\n\n".join(marked(hit.id, hit.content) for hit in hits)
        return wire.RelatedReply(hits=tuple(hits), context=context)


def related_to(store: MemoryStore, wanted: wire.RelatedRequest) -> list[wire.RelatedHit]:
    """By the vectors, and by the words that are in few memories. Raises `memory.not_found`,
    `memory.empty_query`.
    """
    if wanted.memory is not None:
        text, exclude = store.get(wanted.memory).content, frozenset({wanted.memory})
    else:
        # The end of a conversation says what it is about now.
        text, exclude = without_recalled(wanted.text).text[-MOST_TEXT:], frozenset()
    words = words_of(text)
    if not words:
        raise MesoError("memory.empty_query", "name a memory, or give a text", status=422)
    vector = store.finder.vectors.of(text.strip())
    filters = Filters(exclude=exclude)
    # Words alone would find whatever shares an "and"; they only break ties beside meaning.
    result = store.ranked(words, vector, filters, wanted.limit)
    return [_related(ranked, path) for ranked, path, _ in result.hits]


def _related(ranked: Ranked, path: str) -> wire.RelatedHit:
    text = ranked.document.text
    return wire.RelatedHit(
        id=ranked.document.id, path=path, title=text.strip().splitlines()[0][:120],
        similarity=ranked.similarity, strength=round(ranked.strength, 6), why=ranked.how,
        content=text,
    )  # fmt: skip


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


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


def _hit(
    store: MemoryStore, ranked: Ranked, path: str, created: str | None, words: tuple[str, ...]
) -> wire.SearchHit:
    one = ranked.document
    shown = snippet(one.text, ranked.matched or words)
    state = store.in_lock(lambda index: store.lives.state(index, one.id))
    return wire.SearchHit(
        id=one.id,
        path=path,
        created=created,
        source=one.source,
        tags=one.tags,
        snippet=shown,
        score=round(ranked.score, 6),
        matched=ranked.matched,
        missing=ranked.missing,
        bm25=ranked.bm25,
        similarity=ranked.similarity,
        strength=round(ranked.strength, 6),
        age_days=round(ranked.age / 86400, 4),
        contradicted_by=state.contradicted_by,
        why=ranked.how,
        quote=marked(one.id, shown),
    )
