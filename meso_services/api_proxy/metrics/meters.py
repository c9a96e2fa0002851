"""The proxy's metrics. Labels come from the operator's names, and there is an end to them."""

from __future__ import annotations

from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from meso_services.api_proxy.care.interface import Ask, BreakerState, Outcome, Settlement, Usage
from meso_services.api_proxy.care.prices import usd
from meso_services.api_proxy.metrics.flows import Flows

# Different values of one label; whatever comes later is counted as "others".
MAX_VALUES = 64
M = TypeVar("M", Counter, Gauge, Histogram)
OTHERS = "others"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Labels:
    """Bounds the values of one label."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """`value`, or "others" when there are too many already."""
        if value in self._known:
            return value
        if len(self._known) >= MAX_VALUES:
            return OTHERS
        self._known.add(value)
        return value


class Meters:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.flows = Flows()
        self._client, self._route, self._upstream = Labels(), Labels(), Labels()
        self._children: dict[tuple[object, ...], object] = {}
        registry = self._registry = CollectorRegistry()
        by = ("client", "route", "upstream")
        self._requests = Counter(
            "meso_proxy_requests",
            "Requests that were let in, by how they ended.",
            (*by, "outcome"),
            registry=registry,
        )
        self._refused = Counter(
            "meso_proxy_refused",
            "Requests that were refused, by the reason's code.",
            ("client", "code"),
            registry=registry,
        )
        self._tokens = Counter(
            "meso_proxy_tokens", "Tokens by class.", (*by, "class"), registry=registry
        )
        self._cost = Counter("meso_proxy_cost_usd", "US dollars.", by, registry=registry)
        self._seconds = Histogram(
            "meso_proxy_request_seconds",
            "Time to the end of the answer.",
            by,
            buckets=SECONDS,
            registry=registry,
        )
        self._first = Histogram(
            "meso_proxy_first_byte_seconds",
            "Time to the first byte of the answer.",
            by,
            buckets=SECONDS,
            registry=registry,
        )
        self._cache = Counter(
            "meso_proxy_cache",
            "Look-ups of kept answers.",
            ("client", "route", "result"),
            registry=registry,
        )
        self._running = Gauge("meso_proxy_running", "Requests that run.", registry=registry)
        self._waiting = Gauge("meso_proxy_waiting", "Requests that wait.", registry=registry)
        self._breaker = Gauge(
            "meso_proxy_breaker",
            "0 closed, 1 half open, 2 open.",
            ("upstream",),
            registry=registry,
        )
        self._spent = Gauge(
            "meso_proxy_spent_today_usd", "US dollars spent today by all.", registry=registry
        )

    def _of(self, metric: M, *values: str) -> M:
        """The child of `metric` with these labels; looked up once, since that takes a lock."""
        key = (id(metric), *values)
        if (child := self._children.get(key)) is None:
            child = self._children[key] = metric.labels(*values)
        return cast(M, child)

    def refused(self, client: str, code: str) -> None:
        """A request was not let in."""
        self._of(self._refused, self._client.of(client), code).inc()

    def looked_up(self, ask: Ask, hit: bool) -> None:
        """A kept answer was looked for."""
        result = "hit" if hit else "miss"
        self._of(
            self._cache, self._client.of(ask.client.name), self._route.of(ask.route), result
        ).inc()

    def settled(self, ask: Ask, settlement: Settlement, usage: Usage, pico: int) -> None:
        """A request came to its end."""
        upstream = settlement.target.upstream if settlement.target else ""
        upstream = self._upstream.of(upstream)
        by = (self._client.of(ask.client.name), self._route.of(ask.route), upstream)
        self.flows.settled(by, settlement, usage, pico)
        self._of(self._requests, *by, settlement.outcome.value).inc()
        if settlement.outcome is Outcome.CACHED:
            return
        for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
            if count := getattr(usage, name):
                self._of(self._tokens, *by, name).inc(count)
        if pico:
            self._of(self._cost, *by).inc(usd(pico))
        self._of(self._seconds, *by).observe(settlement.seconds)
        if settlement.first_byte is not None:
            self._of(self._first, *by).observe(settlement.first_byte)

    def text(
        self, running: int, waiting: int, breakers: dict[str, BreakerState], spent: int
    ) -> bytes:
        """Everything, in Prometheus's text format."""
        self._running.set(running)
        self._waiting.set(waiting)
        self._spent.set(usd(spent))
        for name, state in breakers.items():
            self._of(self._breaker, self._upstream.of(name)).set(_STATES[state])
        return generate_latest(self._registry)
