"""`meso proxy top`: what runs now and what the day cost so far."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meso_cli.actions import service
from meso_cli.output import Output, table

if TYPE_CHECKING:
    from meso_services.contract.costs import Top as Answer

CLEAR = "\x1b[H\x1b[2J"
ROWS = 15


@dataclass(frozen=True, slots=True)
class Top:
    """The table; with `once` a single time, else again every `seconds`."""

    once: bool
    seconds: float
    by: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--once", action="store_true", help="print it once")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between")
    parser.add_argument(
        "--by",
        default="client,route,upstream",
        metavar="KEYS",
        help="sum what went through by these, of client, route, upstream (default: all three)",
    )


def read(given: argparse.Namespace) -> Top:
    """The request."""
    return Top(given.once, max(0.2, given.every), given.by)


def run(request: Top, output: Output) -> int:
    """Ask the API proxy, again and again unless once; Ctrl-C ends it."""
    from meso_services.contract.costs import Top as Answer  # noqa: PLC0415 (needs packages)

    with service("api-proxy") as proxy:
        while True:
            found = proxy.get("/v1/proxy/top", Answer, by=request.by)
            if request.once:
                output.result(found.model_dump(mode="json"), shown(found))
                return 0
            if not output.json:
                print(CLEAR, end="", file=output.stream)
            output.line(found.model_dump(mode="json"), shown(found))
            time.sleep(request.seconds)


def shown(found: Answer) -> str:
    """For a screen of 80 columns."""
    limit = f" of {found.usd_limit:.2f}" if found.usd_limit is not None else ""
    head = (
        f"{found.day}   {found.running} running, {found.waiting} waiting, "
        f"{found.requests_today} done today\n"
        f"{found.usd_today:.4f}{limit} USD, {found.usd_held:.4f} held, "
        f"{found.tokens_today} tokens, cache {found.cache_bytes // 1024} KiB"
    )
    clients = [
        (c.client, str(c.running), str(c.waiting), str(c.tokens_today), f"{c.usd_today:.4f}")
        for c in found.clients
    ]
    upstreams = [
        (
            u.upstream,
            u.breaker.replace("_", " "),
            f"{u.retry_seconds:g} s" if u.retry_seconds else "",
        )
        for u in found.upstreams
    ]
    parts = [head]
    if found.flows:
        since = found.since.astimezone().strftime("%Y-%m-%d %H:%M")
        parts.append(f"since {since}\n{_flows(found)}")
    if clients:
        parts.append(table(clients, ("CLIENT", "RUNNING", "WAITING", "TOKENS", "USD")))
    if upstreams:
        parts.append(table(upstreams, ("UPSTREAM", "BREAKER", "TRIED AGAIN IN")))
    return "\n\n".join(parts)


def _flows(found: Answer) -> str:
    """What went through, at most as many rows as fit on a screen."""
    keys = [
        key for key in ("client", "route", "upstream") if any(getattr(f, key) for f in found.flows)
    ]
    head = (*map(str.upper, keys), "REQUESTS", "FAILED", "CACHED", "TOKENS", "USD", "MS", "MS P99")
    rows = [
        (
            *(getattr(flow, key) or "-" for key in keys),
            *map(str, (flow.requests, flow.failed, flow.cached, flow.tokens)),
            f"{flow.usd:.4f}",
            _ms(flow.median_ms),
            _ms(flow.p99_ms),
        )
        for flow in found.flows[:ROWS]
    ]
    left = len(found.flows) - len(rows)
    return table(rows, head) + (f"\nand {left} more (--json shows all)" if left else "")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
