"""`meso setup`: bring what this computer lacks, or only say it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli import registry
from meso_cli.output import CliError, Output
from meso_cli.page import Page

PAGE = Page(
    text="""
Every verb brings what it needs when it is called first: Debian packages, and a
Python environment in .meso/venv. This verb does only that, for one verb or for
all of them, for example before the network goes away. Without root it names the
packages and stops before it changes anything.
""",
    examples=(
        ("meso setup --dry-run", "say what is missing and which commands would bring it"),
        ("meso setup vm", "bring what `meso vm` needs"),
        ("meso setup", "bring what any verb needs"),
    ),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """`verbs` to get ready for; empty means all."""

    verbs: tuple[str, ...]
    dry_run: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("verbs", nargs="*", metavar="VERB", help="only what this verb needs")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only say it")


def parse(arguments: argparse.Namespace) -> Setup:
    """The request."""
    return Setup(tuple(arguments.verbs), arguments.dry_run)


def run(request: Setup, output: Output) -> int:
    """Bring what is missing; prints what there was to do."""
    from meso_host.setup import plan  # noqa: PLC0415 (the host's part, not on the appliance)

    todo = plan.make(_needs(request.verbs))
    if not request.dry_run and not todo.empty:
        plan.carry_out(todo)
    done = "nothing is missing" if todo.empty else "everything is there now"
    text = "\n".join(todo.lines()) if request.dry_run and not todo.empty else done
    output.result({"missing": [n.name for n in todo.lacking], "commands": todo.lines()}, text)
    return 0


def _needs(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if registry.find(name) is None]
    if unknown:
        raise CliError(
            "setup.unknown_verb",
            f"there is no verb `{unknown[0]}`.",
            hint="`meso --help` lists them.",
            status=2,
        )
    verbs = [v for v in registry.VERBS if not names or v.name in names]
    return tuple(dict.fromkeys(need for verb in verbs for need in verb.needs))
