"""Care that lets everything in and counts: what tests of the pipeline alone need."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Self

from meso_services.api_proxy.care.interface import (
    Ask,
    BreakerState,
    CachedReply,
    Client,
    Outcome,
    Settlement,
    Target,
    Usage,
)


class Plain:
    """Admits everything. `counts` is by outcome, `settled` the settlements in their order."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.settled: list[Settlement] = []

    def client(self, *, uid: int | None = None, key: str | None = None) -> Client:
        return Client("key" if key is not None else f"uid-{uid}", uid)

    def cost(self, target: Target, usage: Usage) -> float | None:
        return None

    async def admit(self, ask: Ask) -> PlainAdmission:
        self.counts["admitted"] += 1
        return PlainAdmission(self)

    def breaker(self, upstream: str) -> PlainBreaker:
        return PlainBreaker()


class PlainAdmission:
    """Holds nothing."""

    cached: CachedReply | None = None

    def __init__(self, care: Plain) -> None:
        self._care = care
        self._done = False

    def settle(self, settlement: Settlement) -> None:
        if not self._done:
            self._done = True
            self._care.counts[settlement.outcome] += 1
            self._care.settled.append(settlement)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.settle(Settlement(Outcome.CANCELLED))


class PlainBreaker:
    """Always closed."""

    state = BreakerState.CLOSED

    def retry_after(self) -> float:
        return 0.0

    def enter(self) -> PlainPermit:
        return PlainPermit()


class PlainPermit:
    """Remembers nothing."""

    def success(self) -> None: ...

    def failure(self) -> None: ...

    def abandon(self) -> None: ...
