"""What went through since the start, by client, route and upstream, and how fast it was lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from meso_services.api_proxy.care.interface import Outcome, Settlement, Usage
from meso_services.api_proxy.care.prices import usd
from meso_services.contract.costs import Flow as Row
from meso_services.contract.costs import FlowBy

# Combinations that are told apart, and times that are remembered of each.
MAX_FLOWS = 512
LATELY = 128
KEYS: tuple[FlowBy, ...] = ("client", "route", "upstream")
OTHERS = ("others", "others", "others")
_GOOD = frozenset({Outcome.OK, Outcome.CACHED, Outcome.CANCELLED})


@dataclass(slots=True)
class Flow:
    """One combination. `first` are seconds to the first byte, of the latest requests."""

    requests: int = 0
    failed: int = 0
    cached: int = 0
    tokens: int = 0
    pico: int = 0
    first: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))


class Flows:
    """All combinations, within bounds."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._flows: dict[tuple[str, str, str], Flow] = {}

    def settled(
        self, key: tuple[str, str, str], settlement: Settlement, usage: Usage, pico: int
    ) -> None:
        """A request came to its end."""
        if key not in self._flows and len(self._flows) >= MAX_FLOWS:
            key = OTHERS
        flow = self._flows.setdefault(key, Flow())
        flow.requests += 1
        flow.failed += settlement.outcome not in _GOOD
        flow.cached += settlement.outcome is Outcome.CACHED
        flow.tokens += usage.total
        flow.pico += pico
        if settlement.first_byte is not None:
            flow.first.append(settlement.first_byte)

    def rows(self, by: Sequence[FlowBy]) -> tuple[Row, ...]:
        """Sums by these keys, the most requests first."""
        groups: dict[tuple[str, ...], list[Flow]] = {}
        for key, flow in self._flows.items():
            named = tuple(
                value if name in by else "" for name, value in zip(KEYS, key, strict=True)
            )
            groups.setdefault(named, []).append(flow)
        rows = [_row(key, flows) for key, flows in groups.items()]
        return tuple(sorted(rows, key=lambda row: row.requests, reverse=True))


def _row(key: tuple[str, ...], flows: Sequence[Flow]) -> Row:
    times = sorted(1000 * seconds for flow in flows for seconds in flow.first)
    return Row(
        **dict(zip(KEYS, key, strict=True)),
        requests=sum(flow.requests for flow in flows),
        failed=sum(flow.failed for flow in flows),
        cached=sum(flow.cached for flow in flows),
        tokens=sum(flow.tokens for flow in flows),
        usd=usd(sum(flow.pico for flow in flows)),
        median_ms=_at(times, 0.5),
        p99_ms=_at(times, 0.99),
    )


def _at(times: Sequence[float], part: float) -> float | None:
    return round(times[min(int(len(times) * part), len(times) - 1)], 1) if times else None
