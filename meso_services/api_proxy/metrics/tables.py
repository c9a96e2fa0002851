"""The ledger's sums and the moment's state, as tables for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meso_services.api_proxy.care.house import House
from meso_services.api_proxy.care.prices import usd
from meso_services.api_proxy.care.totals import CLASSES, Row, Spent
from meso_services.contract.costs import (
    By,
    ClientNow,
    CostRow,
    CostTable,
    FlowBy,
    Tokens,
    Top,
    UpstreamNow,
)

KEYS: tuple[By, ...] = ("day", "client", "upstream", "model")


def cost_table(house: House, since: str, until: str, by: Sequence[By]) -> CostTable:
    """Sums of the days from `since` to `until` (both included; "" is no bound), by these keys."""
    rows = [
        row
        for row in house.ledger.totals.rows.values()
        if since <= row.day and (not until or row.day <= until)
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(getattr(row, name) if name in by else "" for name in KEYS)
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], _pico(group[1])), reverse=True)
    journal = house.ledger.journal
    return CostTable(
        rows=tuple(_sum(key, found) for key, found in ordered),
        total=_sum(("", "", "", ""), rows),
        pending_writes=not journal.flush(0),
        problem=journal.problem,
    )


def top(house: House, by: Sequence[FlowBy]) -> Top:
    """How the proxy is doing now, and what went through by these keys."""
    day = house.ledger.today()
    totals, held = house.ledger.totals, house.ledger.held
    lines = house.queue.lines()
    names = sorted({*totals.clients, *held.clients, *lines})
    today = [row for row in totals.rows.values() if row.day == day]
    return Top(
        day=day,
        running=house.queue.running,
        waiting=house.queue.waiting,
        requests_today=sum(row.requests for row in today),
        tokens_today=totals.all.tokens,
        usd_today=usd(totals.all.pico),
        usd_held=usd(held.all.pico),
        usd_limit=house.settings.budgets.day_usd,
        cache_bytes=house.cache.size,
        since=house.meters.flows.since,
        flows=house.meters.flows.rows(by),
        clients=tuple(
            ClientNow(
                client=name,
                running=lines.get(name, (0, 0))[0],
                waiting=lines.get(name, (0, 0))[1],
                tokens_today=totals.client(name).tokens,
                usd_today=usd(totals.client(name).pico),
                usd_held=usd(held.clients.get(name, Spent()).pico),
            )
            for name in names
        ),
        upstreams=tuple(
            UpstreamNow(
                upstream=upstream.name,
                breaker=house.breaker(upstream.name).state.value,
                retry_seconds=round(house.breaker(upstream.name).retry_after(), 1),
            )
            for upstream in house.settings.upstreams
        ),
    )


def _pico(rows: Iterable[Row]) -> int:
    return sum(row.pico for row in rows)


def _sum(key: tuple[str, ...], rows: Sequence[Row]) -> CostRow:
    counts = [sum(row.usage[i] for row in rows) for i in range(len(CLASSES))]
    return CostRow(
        **dict(zip(KEYS, key, strict=True)),
        requests=sum(row.requests for row in rows),
        usd=usd(_pico(rows)),
        tokens=Tokens(**dict(zip(CLASSES, counts, strict=True))),
    )
