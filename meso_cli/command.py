"""From the words of a command line to one frozen value."""

from __future__ import annotations

import argparse
import difflib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_cli import registry
from meso_cli.output import CliError
from meso_cli.page import parser_for
from meso_cli.registry import Verb, Where

FACTORY = Path("/usr/share/meso/factory")


@dataclass(frozen=True, slots=True)
class Command:
    """What was asked: `words` are the verb's own, without the common options."""

    verb: Verb
    request: Any
    json: bool
    host: str | None
    words: tuple[str, ...]


def on_appliance() -> bool:
    """True on a machine that runs the MESO OS image."""
    return FACTORY.is_dir()


def parse(argv: Sequence[str]) -> Command:
    """`argv` without the program's name. Raises SystemExit after help and usage errors."""
    verb = known(argv[0])
    module = verb.load()
    parser = parser_for(f"meso {verb.name}", verb.summary, module.PAGE)
    module.configure(parser)
    common(parser.add_argument_group("common options"), verb)
    json, host, words = taken_out(argv[1:], verb)
    return Command(verb, module.parse(parser.parse_args(words)), json, host, tuple(words))


def taken_out(argv: Sequence[str], verb: Verb) -> tuple[bool, str | None, list[str]]:
    """The common options, wherever they stand before `--`, and the words without them."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(f"meso {verb.name}", add_help=False, allow_abbrev=False)
    common(parser, verb)
    given, words = parser.parse_known_args(argv[:end])
    return given.json, getattr(given, "host", None), [*words, *argv[end:]]


def known(name: str) -> Verb:
    """The verb, or an error that names the nearest one."""
    if verb := registry.find(name):
        return verb
    near = difflib.get_close_matches(name, [v.name for v in registry.VERBS], 1)
    hint = f"Did you mean `meso {near[0]}`?" if near else "`meso --help` lists the verbs."
    raise CliError("cli.unknown_verb", f"there is no verb `{name}`.", hint=hint, status=2)


def common(parser: argparse._ActionsContainer, verb: Verb) -> None:
    """The options that every verb has."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    if verb.where is not Where.HOST and not verb.own_host:
        parser.add_argument(
            "--host",
            metavar="USER@HOST",
            help="do it on that appliance over ssh; vm:NAME is the virtual machine NAME",
        )


def overview() -> str:
    """What `meso --help` shows."""
    verbs = [v for v in registry.VERBS if not (on_appliance() and v.where is Where.HOST)]
    width = max(len(v.name) for v in verbs)
    titles = {
        Where.HOST: "On your computer, in the project's tree:",
        Where.BOTH: "On your computer and on the appliance:",
        Where.APPLIANCE: "On the appliance (from elsewhere: --host USER@HOST, or --host vm:NAME):",
    }
    parts = [
        "usage: meso VERB [ARGUMENTS]      meso VERB --help explains one verb\n",
        "MESO OS: an operating system whose services are an AI agent's functions.\n",
    ]
    for where, title in titles.items():
        rows = [f"{v.name.ljust(width)}   {v.summary}" for v in verbs if v.where is where]
        if rows:
            parts.append(title + "\n" + textwrap.indent("\n".join(rows), "  ") + "\n")
    if not on_appliance():
        parts.append("Start with: meso vm x86-minipc")
    return "\n".join(parts)
