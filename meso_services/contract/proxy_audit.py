"""Messages about what the API proxy wrote down."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from meso_services.contract.common import Message


class ProxyAuditPage(Message):
    """Answer of `GET /v1/proxy/audit`: the newest lines that fit, oldest first."""

    lines: tuple[dict[str, Any], ...] = Field(
        description="Each has `time`, `kind` (request, egress, fetch, secret) and `event`; "
        "a request also who asked, the route, why it went there, and how much it took"
    )
    dropped: int = Field(description="Lines that the disk did not take since the start")
    problem: str = Field(default="", description="Why lines cannot be written, if they cannot")
