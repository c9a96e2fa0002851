"""What may be asked of `meso operon`, as frozen values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meso_cli.output import CliError

ROLES = ("root", "targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class Situation:
    """What operons are held against; `text` `-` is standard input."""

    text: str
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    now: str | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """List, show `name`, or say why; `genome` is a directory to read instead of asking."""

    what: Literal["list", "show", "why"]
    genome: Path | None
    name: str = ""
    situation: Situation | None = None


@dataclass(frozen=True, slots=True)
class Lint:
    """Check folders."""

    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class New:
    """Make a folder `name` in `where`."""

    name: str
    where: Path


@dataclass(frozen=True, slots=True)
class Schema:
    """Print the JSON schema, or write it into docs/."""

    write: bool


@dataclass(frozen=True, slots=True)
class Search:
    """What the registry has."""

    words: str


@dataclass(frozen=True, slots=True)
class History:
    """The changes that are kept."""


@dataclass(frozen=True, slots=True)
class Change:
    """Add, update, remove or undo; shown first, done after a yes."""

    action: Literal["add", "update", "remove", "undo"]
    name: str | None
    version: str | None
    lazy: bool
    yes: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """Sign and write a registry."""

    folders: tuple[Path, ...]
    registry: Path
    keys: Path
    new: bool
    rotate: str | None
    withdraw: tuple[str, str] | None
    days: tuple[tuple[str, int], ...]
    passphrase: Path | None


Request = Look | Lint | New | Schema | Search | History | Change | Publish


def parse(given: argparse.Namespace) -> Request:
    """The request in the arguments. Raises CliError."""
    return _MADE.get(given.action, _change)(given)


def _change(given: argparse.Namespace) -> Change:
    return Change(
        given.action,
        getattr(given, "name", None),
        getattr(given, "version", None),
        getattr(given, "lazy", False),
        given.yes,
        given.dry_run,
    )


def _look(given: argparse.Namespace) -> Look:
    genome = Path(given.genome) if given.genome else None
    if given.action != "why":
        return Look(given.action, genome, getattr(given, "name", ""))
    situation = Situation(
        given.text,
        tuple(given.file),
        tuple(given.tool),
        tuple(given.task),
        given.now,
        given.budget,
    )
    return Look("why", genome, situation=situation)


def _publish(given: argparse.Namespace) -> Publish:
    days = []
    for text in given.days:
        role, _, count = text.partition("=")
        if role not in ROLES or not count.isdecimal() or not 1 <= int(count) <= 3650:
            raise _usage(f"--days {text}: it is ROLE=N, with 1 to 3650 days")
        days.append((role, int(count)))
    if given.rotate and given.rotate not in ROLES:
        raise _usage(f"--rotate {given.rotate}: the roles are {', '.join(ROLES)}")
    name, _, version = (given.withdraw or "").partition("@")
    if given.withdraw and not version:
        raise _usage(f"--withdraw {given.withdraw}: it is NAME@vN")
    return Publish(
        tuple(map(Path, given.folders)),
        Path(given.registry),
        Path(given.keys),
        given.new,
        given.rotate,
        (name, version) if given.withdraw else None,
        tuple(days),
        Path(given.passphrase_file) if given.passphrase_file else None,
    )


_MADE: dict[str, Callable[[argparse.Namespace], Request]] = {
    "list": _look,
    "show": _look,
    "why": _look,
    "lint": lambda given: Lint(tuple(map(Path, given.folders))),
    "new": lambda given: New(given.name, Path(given.where)),
    "schema": lambda given: Schema(given.write),
    "search": lambda given: Search(" ".join(given.words)),
    "history": lambda _: History(),
    "publish": _publish,
}


def _usage(message: str) -> CliError:
    return CliError("cli.usage", message, hint="`meso operon publish --help`", status=2)
