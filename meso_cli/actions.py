"""Verbs that are followed by an action: `meso session create`, `meso memory search`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meso_cli.output import CliError

if TYPE_CHECKING:
    # What needs packages is imported when a verb runs; help needs none.
    from meso_services.contract.client import Connection

MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its name, a line of help, and what adds its arguments."""

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]


class Mixed(argparse.ArgumentParser):
    """Options may stand anywhere among the arguments: `init DIR --offline "prompt"`."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the base class does, which else takes an optional argument for missing."""
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def add(
    parser: argparse.ArgumentParser,
    actions: tuple[Action, ...],
    *,
    dest: str = "action",
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> None:
    """Give the verb's parser its actions; the chosen one's name becomes `action`, or `dest`.
    `kind` parses the arguments of an action.
    """
    choices = parser.add_subparsers(dest=dest, metavar="ACTION", required=True, parser_class=kind)
    for action in actions:
        sub = choices.add_parser(
            action.name, help=action.summary, description=action.summary, allow_abbrev=False
        )
        action.arguments(sub)


def nothing(_parser: argparse.ArgumentParser) -> None:
    """For an action without arguments."""


def on_this_appliance(verb: str, otherwise: str = "") -> None:
    """Raises CliError elsewhere than on an appliance."""
    from meso_cli.command import on_appliance  # noqa: PLC0415 (which imports every verb)

    if not on_appliance():
        hint = "Name one: --host USER@HOST, or --host vm:x86-minipc for a virtual machine"
        raise CliError(
            "cli.not_an_appliance",
            f"this `meso {verb}` speaks to an appliance, and this computer is none.",
            hint=f"{hint}; {otherwise}." if otherwise else f"{hint}.",
        )


@contextmanager
def service(name: str, *, timeout: float = 60.0) -> Iterator[Connection]:
    """A connection to the service of that name on this machine; an answer has `timeout` seconds."""
    from meso_services.contract.client import Connection  # noqa: PLC0415 (needs packages)

    with Connection(name, timeout=timeout) as connection:
        yield connection


def text_or_input(given: str) -> str:
    """What was given; `-` stands for what comes in on standard input."""
    if given != "-":
        return given
    read = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(read) > MOST_BYTES:
        raise CliError("cli.input_too_long", f"the input is longer than {MOST_BYTES >> 20} MiB.")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise CliError(
            "cli.input_not_text", f"the input is not UTF-8: {error}", hint="Convert it first."
        ) from error
