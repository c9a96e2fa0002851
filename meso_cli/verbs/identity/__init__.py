"""`meso identity`: who an agent is, what changed, and what contradicts itself."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from meso_cli.actions import Action, add, nothing
from meso_cli.output import CliError, Output
from meso_cli.page import Page

PAGE = Page(
    text="""
The identity is what an agent is: its genome, its zooids and its operons, the local
ones included. Its hash changes when any byte of them changes, and only then.
A PLACE is the directory of a genome or a generation, or a checkpoint's file; on an
appliance also `current` (what is in force), `generation` (what was deployed),
`factory` (what the image brought), or the number of a generation.
""",
    examples=(
        ("meso identity show", "the hash, its parts, each version, local changes"),
        ("meso identity show genome", "the same of a directory on this computer"),
        ("meso identity diff generation current", "what is different here, file by file"),
        ("meso identity verify", "does everything still have the hash that it says?"),
        ("meso identity verify genome --expect HASH", "is this the agent that I know?"),
        ("meso identity zooids", "how each local copy stands to the generation's"),
        ("meso identity edit 00-operator --text new.md", "change the local copy"),
        ("meso identity conflicts", "where a local edit and an update contradict each other"),
        ("meso identity resolve 00-operator --keep theirs", "settle it"),
    ),
)


@dataclass(frozen=True, slots=True)
class Show:
    """The identity at `place`, or (None) of the appliance."""

    place: str | None


@dataclass(frozen=True, slots=True)
class Diff:
    """From one place to another."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Recompute the hash of a place, or of the appliance, and compare."""

    place: str | None
    expect: str | None


@dataclass(frozen=True, slots=True)
class Zooids:
    """The local copies; only those in conflict with `conflicts`."""

    conflicts: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """Change the local copy; `text` is a file or `-`, None removes it."""

    name: str
    text: str | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Resolve:
    """Settle a conflict, or go back to the deployed text; `text` as for an edit."""

    name: str
    keep: Literal["mine", "theirs", "text"]
    text: str | None


Request = Show | Diff | Verify | Zooids | Edit | Resolve


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", metavar="PLACE", nargs="?")


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")


def _verify(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("--expect", metavar="HASH", help="the hash that it must have")


def _edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", metavar="FILE", help="the new text; - is standard input")
    what.add_argument("--remove", action="store_true", help="be without it")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")


def _resolve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--keep", choices=("mine", "theirs"), help="the local text or the update's")
    what.add_argument("--text", metavar="FILE", help="another text; - is standard input")


def _revert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


ACTIONS = (
    Action("show", "the identity hash and what it is made of", _place),
    Action("diff", "what changed from A to B, file by file", _diff),
    Action("verify", "recompute the hash, and compare", _verify),
    Action("zooids", "the local copies of the zooids", nothing),
    Action("edit", "change the local copy of a zooid", _edit),
    Action("revert", "take the generation's text of a zooid again", _revert),
    Action("conflicts", "edits and updates that contradict each other", nothing),
    Action("resolve", "settle a conflict", _resolve),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(given: argparse.Namespace) -> Request:
    """The request."""
    match given.action:
        case "show":
            return Show(given.place)
        case "diff":
            return Diff(given.first, given.second)
        case "verify":
            return Verify(given.place, given.expect)
        case "edit":
            return Edit(given.name, None if given.remove else given.text, given.dry_run)
        case "resolve" | "revert":
            keep: Literal["mine", "theirs", "text"] = getattr(given, "keep", "theirs") or "text"
            return Resolve(given.name, keep, getattr(given, "text", None))
        case _:
            return Zooids(given.action == "conflicts")


def run(request: Request, output: Output) -> int:
    """Do it, here or by the operon loader."""
    from meso_cli.verbs.identity import compare, copies  # noqa: PLC0415 (need packages)

    match request:
        case Show():
            return compare.show(request, output)
        case Diff():
            return compare.diff(request, output)
        case Verify():
            return compare.verify(request, output)
        case Zooids():
            return copies.show(request, output)
        case Edit():
            return copies.edit(request, output)
        case Resolve():
            return copies.resolve(request, output)
        case _:
            assert_never(request)


def text_of(file: str) -> str:
    """The text of a file. Raises CliError."""
    from meso_cli.actions import text_or_input  # noqa: PLC0415

    if file == "-":
        return text_or_input("-")
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError("identity.unreadable", f"{file}: {error}") from None
