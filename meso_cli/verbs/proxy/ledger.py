"""`meso proxy ledger`: what was spent, by day, client, upstream and model."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meso_cli.actions import service
from meso_cli.output import Output, table

if TYPE_CHECKING:
    from meso_services.contract.costs import CostRow, CostTable

KEYS = ("day", "client", "upstream", "model")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Days from `since` to `until` (YYYY-MM-DD, "" is no bound), summed by the keys of `by`."""

    since: str
    until: str
    by: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--since", default="", metavar="DAY", help="first day, YYYY-MM-DD")
    parser.add_argument("--until", default="", metavar="DAY", help="last day, YYYY-MM-DD")
    parser.add_argument(
        "--by",
        default="day,client,model",
        metavar="KEYS",
        help=f"sum by these, of {', '.join(KEYS)} (default: day,client,model)",
    )


def read(given: argparse.Namespace) -> Ledger:
    """The request."""
    return Ledger(given.since, given.until, given.by)


def run(request: Ledger, output: Output) -> int:
    """Ask the API proxy."""
    from meso_services.contract.costs import CostTable  # noqa: PLC0415 (needs packages)

    with service("api-proxy") as proxy:
        found = proxy.get(
            "/v1/proxy/ledger",
            CostTable,
            since=request.since or None,
            until=request.until or None,
            by=request.by,
        )
    output.result(found.model_dump(mode="json"), shown(found, request.by))
    return 0


def shown(found: CostTable, by: str) -> str:
    """A table with a line of sums."""
    keys = [key for key in KEYS if key in by.split(",")]
    head = tuple(key.upper() for key in keys)
    head += ("REQUESTS", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE", "REASONING", "USD")
    rows = [(*(getattr(row, key) for key in keys), *_numbers(row)) for row in found.rows]
    if not rows:
        return "nothing was spent"
    names = ("together", *("" for _ in keys[1:])) if keys else ()
    text = table([*rows, (*names, *_numbers(found.total))], head)
    return text + (f"\nnot all of it can be written down: {found.problem}" if found.problem else "")


def _numbers(row: CostRow) -> tuple[str, ...]:
    tokens = row.tokens
    given = (row.requests, tokens.input, tokens.output)
    others = (tokens.cache_read, tokens.cache_write, tokens.reasoning)
    return (*map(str, (*given, *others)), f"{row.usd:.6f}")
