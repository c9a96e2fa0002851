"""The routes of what a model is sent and what it used, and of search."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query

from meso_services.contract.context import Compact, Compacted, Context, SessionHits, UsageReply
from meso_services.contract.session import BranchName, SessionId
from meso_services.session_manager import ledger
from meso_services.session_manager.model.compact import compact as compacted
from meso_services.session_manager.model.context import context as context_of
from meso_services.session_manager.model.summarise import Summariser
from meso_services.session_manager.routes.common import (
    CHANGES,
    READS,
    AsciiJson,
    Ident,
    Key,
    Limit,
    Words,
)
from meso_services.session_manager.store import SessionStore

# How long a search waits for the newest entries to be indexed.
PATIENCE = 2.0


def add_model(app: FastAPI, store: SessionStore, summariser: Summariser) -> None:
    """Give `app` the routes of context, compaction, search and usage."""

    @app.get("/v1/sessions/{session}/context", responses=READS, response_class=AsciiJson)
    def context(
        session: Ident,
        branch: Annotated[BranchName | None, Query()] = None,
        budget: Annotated[int, Query(ge=1, le=100_000_000, description="Tokens")] = 100_000,
    ) -> Context:
        """What to send to a model to go on with a branch, within a budget."""
        return context_of(store.get(session), branch, budget)

    @app.post("/v1/sessions/{session}/compact", responses=CHANGES, response_class=AsciiJson)
    def compact(session: Ident, wanted: Compact, key: Key = None) -> Compacted:
        """Add an entry that stands for the older part of a branch, if that is worth it."""
        return compacted(store.get(session), wanted, summariser, key)

    @app.get("/v1/search", responses=READS)
    def search(
        q: Words, session: Annotated[SessionId | None, Query()] = None, limit: Limit = 20
    ) -> SessionHits:
        """Entries that have all the words, best first."""
        return store.search.find(q, session, limit, PATIENCE)

    @app.get("/v1/usage", responses=READS)
    def usage() -> UsageReply:
        """What the models used, by session, branch and model."""
        return ledger.usage(store, None)

    @app.get("/v1/sessions/{session}/usage", responses=READS)
    def session_usage(session: Ident) -> UsageReply:
        """What the models used for one session."""
        return ledger.usage(store, session)
