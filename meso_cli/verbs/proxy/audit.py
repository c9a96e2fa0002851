"""`meso proxy audit`: who asked what, where it went and why, and what it took."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from meso_cli.actions import service
from meso_cli.output import Output
from meso_cli.terminal import printable

if TYPE_CHECKING:
    from meso_services.contract.proxy_audit import ProxyAuditPage


@dataclass(frozen=True, slots=True)
class Audit:
    """The newest lines, of those with these values; None is any."""

    last: int
    client: str | None
    kind: str | None
    event: str | None
    request: str | None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("--client", metavar="NAME", help="of this client only")
    parser.add_argument("--kind", metavar="WORD", help="request, egress, fetch or secret")
    parser.add_argument("--event", metavar="WORD", help="how it ended: ok, refused, cut, …")
    parser.add_argument("--request", metavar="ID", help="of the request with this x-request-id")


def read(given: argparse.Namespace) -> Audit:
    """The request."""
    return Audit(given.last, given.client, given.kind, given.event, given.request)


def run(request: Audit, output: Output) -> int:
    """Ask the API proxy."""
    from meso_services.contract.proxy_audit import ProxyAuditPage  # noqa: PLC0415

    with service("api-proxy") as proxy:
        found = proxy.get("/v1/proxy/audit", ProxyAuditPage, **asdict(request))
    output.result(found.model_dump(mode="json"), shown(found))
    return 0


def shown(found: ProxyAuditPage) -> str:
    """One line each; what is out of order comes last."""
    lines = [_line(line) for line in found.lines] or ["nothing is written down"]
    if found.dropped:
        lines.append(f"{found.dropped} lines are missing: the disk did not take them")
    if found.problem:
        lines.append(f"lines cannot be written: {found.problem}")
    return "\n".join(lines)


def _line(line: dict[str, Any]) -> str:
    first = ("time", "kind", "event", "client", "route", "upstream", "model")
    shown = [str(line[name]) for name in first if line.get(name) is not None]
    rest = [f"{n}={v}" for n, v in line.items() if n not in (*first, "why") and v is not None]
    why = [f"({line['why']})"] if line.get("why") else []
    return printable(" ".join([*shown, *rest, *why]))
