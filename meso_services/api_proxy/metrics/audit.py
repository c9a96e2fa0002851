"""The audit's newest lines, for the operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Query

from meso_services.api_proxy.care.audit import Audit
from meso_services.api_proxy.care.journal import Record
from meso_services.api_proxy.care.newest import newest
from meso_services.contract.proxy_audit import ProxyAuditPage
from meso_services.runtime.app import errors
from meso_services.runtime.peer import Peer, require_operator

MOST_LINES = 1000
FLUSH_SECONDS = 2.0
Operator = Annotated[Peer, Depends(require_operator)]
Word = Annotated[str, Query(max_length=128)]


def add_routes(app: FastAPI, audit: Audit) -> None:
    """Add the routes."""

    @app.get("/v1/proxy/audit", responses=errors(403))
    async def audit_lines(
        _operator: Operator,
        last: Annotated[int, Query(ge=1, le=MOST_LINES)] = 50,
        client: Word = "",
        kind: Word = "",
        event: Word = "",
        request: Word = "",
    ) -> ProxyAuditPage:
        """The newest lines, of those with these values where any are given."""
        wanted = {"client": client, "kind": kind, "event": event, "request": request}
        journal = audit.journal
        # What has just happened is what is asked for most.
        await asyncio.to_thread(journal.flush, FLUSH_SECONDS)
        lines = await asyncio.to_thread(newest, journal, last, _fits(wanted))
        return ProxyAuditPage(lines=tuple(lines), dropped=journal.dropped, problem=journal.problem)


def _fits(wanted: dict[str, str]) -> Callable[[Record], bool]:
    asked = {name: value for name, value in wanted.items() if value}
    return lambda line: all(line.get(name) == value for name, value in asked.items())
