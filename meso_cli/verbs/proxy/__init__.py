"""`meso proxy`: the local door to every model."""

from __future__ import annotations

import argparse
from typing import assert_never

from meso_cli.actions import Action, add
from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.proxy import ledger, top

PAGE = Page(
    text="""
The API proxy passes requests to models and keeps the books: who asked, what it
cost, what is left of the budgets.
""",
    examples=(
        ("meso proxy top", "what runs now, what the day cost; Ctrl-C ends it"),
        ("meso proxy top --once --json", "the same once, for a program"),
        ("meso proxy ledger", "costs by day, client and model"),
        ("meso proxy ledger --since 2026-11-01 --by client", "a month, by client"),
    ),
)
Request = top.Top | ledger.Ledger
ACTIONS = (
    Action("top", "what runs now and what the day cost", top.arguments),
    Action("ledger", "what was spent, in sums", ledger.arguments),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    return top.read(arguments) if arguments.action == "top" else ledger.read(arguments)


def run(request: Request, output: Output) -> int:
    """Do it."""
    match request:
        case top.Top():
            return top.run(request, output)
        case ledger.Ledger():
            return ledger.run(request, output)
        case _:
            assert_never(request)
