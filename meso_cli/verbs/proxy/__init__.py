"""`meso proxy`: the local door to every model."""

from __future__ import annotations

import argparse
from typing import assert_never

from meso_cli.actions import Action, add
from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.proxy import audit, ledger, routing, top

PAGE = Page(
    text="""
The API proxy passes requests to models and keeps the books: who asked, what it
cost, what is left of the budgets. Which request goes where stands in the appliance's
file under services.api_proxy (docs/proxy.md has examples).

`explain` takes a request as a client would send it and says where it would go,
with every rule that was considered. Nothing is sent. REQUEST.json is a file, or -
for standard input; with --host it must be -.
""",
    examples=(
        ("meso proxy explain request.json", "where this request would go, and why"),
        (
            "meso proxy explain - --face anthropic --header x-meso-privacy:machine < request.json",
            "the same, marked as private",
        ),
        ("meso proxy routes", "the routes of the appliance's file, in their order"),
        ("meso proxy status", "the upstreams: their keys, and which are left alone"),
        ("meso proxy top", "what runs now, what the day cost; Ctrl-C ends it"),
        ("meso proxy top --by upstream", "how much and how fast, by upstream alone"),
        ("meso proxy top --once --json", "the same once, for a program"),
        ("meso proxy ledger", "costs by day, client and model"),
        ("meso proxy audit --event refused", "what was refused lately, and why"),
        ("meso proxy ledger --since 2026-11-01 --by client", "a month, by client"),
    ),
)
Request = top.Top | ledger.Ledger | audit.Audit | routing.Request
ACTIONS = (
    Action("top", "what runs now and what the day cost", top.arguments),
    Action("ledger", "what was spent, in sums", ledger.arguments),
    Action("audit", "who asked what, where it went and why", audit.arguments),
    *routing.ACTIONS,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "top":
            return top.read(arguments)
        case "ledger":
            return ledger.read(arguments)
        case "audit":
            return audit.read(arguments)
        case _:
            return routing.read(arguments)


def run(request: Request, output: Output) -> int:
    """Do it."""
    match request:
        case top.Top():
            return top.run(request, output)
        case ledger.Ledger():
            return ledger.run(request, output)
        case audit.Audit():
            return audit.run(request, output)
        case routing.Explain() | routing.Routes() | routing.Status():
            return routing.run(request, output)
        case _:
            assert_never(request)
