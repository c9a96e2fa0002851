"""Messages about what requests cost and how the proxy is doing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from meso_services.contract.common import Message

By = Literal["day", "client", "upstream", "model"]
FlowBy = Literal["client", "route", "upstream"]


class Tokens(Message):
    """Tokens by class; each is counted once."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


class CostRow(Message):
    """Sums over what the named keys have in common; "" where a key was not asked for."""

    day: str = Field(default="", description="YYYY-MM-DD in the appliance's time zone")
    client: str = ""
    upstream: str = ""
    model: str = ""
    requests: int
    usd: float
    tokens: Tokens


class CostTable(Message):
    """Answer of `GET /v1/proxy/ledger`, newest day first."""

    rows: tuple[CostRow, ...]
    total: CostRow
    pending_writes: bool = Field(description="Whether lines still wait for the disk")
    problem: str = Field(default="", description="Why lines cannot be written, if they cannot")


class ClientNow(Message):
    """One client at this moment and today."""

    client: str
    running: int
    waiting: int
    tokens_today: int
    usd_today: float
    usd_held: float


class UpstreamNow(Message):
    """One upstream at this moment."""

    upstream: str
    breaker: Literal["closed", "open", "half_open"]
    retry_seconds: float


class Flow(Message):
    """What went through since the service started; "" where a key was not asked for."""

    client: str = ""
    route: str = ""
    upstream: str = ""
    requests: int
    failed: int = Field(description="Ended by an error of an upstream, or by none that answered")
    cached: int = Field(description="Answered from the cache")
    tokens: int
    usd: float
    median_ms: float | None = Field(
        description="Milliseconds to the first byte, of the latest requests; null without any"
    )
    p99_ms: float | None = Field(description="The same, for the slowest one of a hundred")


class Top(Message):
    """Answer of `GET /v1/proxy/top`."""

    day: str
    running: int
    waiting: int
    requests_today: int
    tokens_today: int
    usd_today: float
    usd_held: float
    usd_limit: float | None = Field(description="Budget of the day in dollars, if there is one")
    cache_bytes: int
    since: datetime = Field(description="When the service started to count `flows`")
    flows: tuple[Flow, ...] = Field(description="By the keys that were asked for")
    clients: tuple[ClientNow, ...]
    upstreams: tuple[UpstreamNow, ...]
