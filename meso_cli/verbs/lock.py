"""`meso lock`: the package files that images are made of, by hash."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.progress import Progress

PAGE = Page(
    text="""
Solves the package sets of images/debian/packages.toml with apt and the Python
dependencies of pyproject.toml with pip, and writes images/debian/lock and
requirements. Versions that the mirrors still have are kept, unless --update is
given. A package whose maintainer scripts nobody has reviewed, or that brings a
user without a fixed number, fails the lock before any file is changed.

Mirrors are those of this computer's apt, or MESO_MIRROR. They are never written
into the lock.
""",
    examples=(
        ("meso lock", "after a change of packages.toml or pyproject.toml"),
        ("meso lock --update", "take the newest versions, security updates among them"),
        ("meso lock --review openssh-server", "read a package's maintainer scripts"),
    ),
)


@dataclass(frozen=True, slots=True)
class Lock:
    """`review` names a package whose scripts are to be printed; then nothing is locked."""

    update: bool
    review: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--update", action="store_true", help="take the newest versions")
    what.add_argument("--review", metavar="PACKAGE", help="print its maintainer scripts")


def parse(arguments: argparse.Namespace) -> Lock:
    """The request."""
    return Lock(arguments.update, arguments.review)


def run(request: Lock, output: Output) -> int:
    """Lock, or print scripts."""
    from meso_host.lock import verb  # noqa: PLC0415 (the host's part, not on the appliance)
    from meso_host.setup.tree import TOP  # noqa: PLC0415

    if request.review:
        text = verb.review(request.review, TOP)
        output.result({"scripts": text}, text)
        return 0
    with Progress(1).step("locking") as note:
        outcome = verb.main(verb.Request(update=request.update), TOP, note)
    written = [f"written: {', '.join(outcome.files)}"] if outcome.files else ["nothing changed"]
    said = [*outcome.versions, *outcome.notes, *written]
    output.result(
        {"files": outcome.files, "versions": outcome.versions, "notes": outcome.notes},
        "\n".join(said),
    )
    return 0
