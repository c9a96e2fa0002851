"""The launcher proper: parse, look at what is named, bring what is needed, become the verb."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from meso_cli import __main__ as cli
from meso_cli.command import parse
from meso_cli.output import problem
from meso_host.setup import appliance, plan
from meso_host.setup.venv import replace_process


def main(argv: Sequence[str]) -> int:
    """Exit status of the whole. Wrong usage and help need nothing installed."""
    words = list(argv)
    if not words or words[0].startswith("-") or words[0] == "help":
        return cli.main(words)
    try:
        return _run(words)
    except KeyboardInterrupt:
        print("meso: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        shown = problem(error)
        if shown is None:
            raise
        print(shown.text(), file=sys.stderr)
        return shown.status


def _run(words: list[str]) -> int:
    command = parse(words)
    needs = ("runtime", "ssh") if command.host else command.verb.needs
    todo = plan.make(needs, command.words)
    if not todo.empty:
        if look := getattr(command.verb.load(), "look", None):
            appliance.look(*look(command.request))
        plan.carry_out(todo)
    if needs:
        replace_process(plan.environment().python, words)
    return cli.main(words)
