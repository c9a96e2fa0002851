"""`meso poweroff`: the machine powers off in order."""

from __future__ import annotations

import argparse

from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs import power
from meso_cli.verbs.power import Request, configure

__all__ = ["PAGE", "configure", "parse", "run"]

PAGE = Page(
    text="""
Stops every service in order and powers the machine off. Somebody has to switch it
on again: nothing on it can.

It asks first; without a terminal to ask on it wants --yes. Only the operator and
root may.
""",
    examples=(
        ("meso poweroff", "ask, then do it"),
        ("meso poweroff --yes", "from a script"),
        ("meso poweroff --dry-run", "would it be done?"),
        ("meso poweroff --host operator@meso.local", "another appliance"),
    ),
)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    return Request("poweroff", arguments.yes, arguments.dry_run)


def run(request: Request, output: Output) -> int:
    """Do it; 0 when the machine goes down."""
    return power.run(request, output)
