"""`meso test`: the test suite, and the long campaigns."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli.output import CliError, Output
from meso_cli.page import Page

ROOMS = ("all", "lint", "unit", "services", "nix", "vm", "soak")
PAGE = Page(
    text="""
Runs the linters, the type checker, the unit tests, the tests of the services and
of the Nix code, then builds the images and boots them. It ends with pytest's own
closing line. A room runs alone: lint, unit, services, nix, vm. Words after `--`
go to pytest.

`meso test soak` runs long campaigns, for example hundreds of power cuts, and
writes down how the last one went in docs/soak.md.
""",
    examples=(
        ("meso test", "everything, the VM tests included"),
        ("meso test unit", "what is quick"),
        ("meso test vm -- -k power_cut", "the VM tests whose name holds power_cut"),
        ("meso test soak power --count 100", "a hundred power cuts"),
        ("meso test soak power --minutes 60", "power cuts for an hour"),
    ),
)


@dataclass(frozen=True, slots=True)
class Test:
    """`words` go to pytest, or name the campaigns of a soak (none: all of them)."""

    room: str
    words: tuple[str, ...]
    count: int | None
    minutes: float | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    rooms = ", ".join(ROOMS)
    parser.add_argument("room", nargs="?", default="all", help=f"{rooms} (default: all)")
    parser.add_argument("words", nargs="*", metavar="WORD", help="for pytest, or the campaigns")
    soak = parser.add_argument_group("options of a soak")
    soak.add_argument("--count", type=int, metavar="N", help="how many rounds (default 100)")
    soak.add_argument("--minutes", type=float, metavar="M", help="stop after that time")


def parse(arguments: argparse.Namespace) -> Test:
    """The request."""
    if arguments.room != "soak" and (arguments.count or arguments.minutes):
        raise CliError(
            "test.soak_only",
            "--count and --minutes belong to `meso test soak`.",
            hint="Words for pytest stand after `--`.",
            status=2,
        )
    room, words = arguments.room, tuple(arguments.words)
    if room.startswith("-"):
        # `meso test -- -k power`: everything after `--` is for pytest.
        room, words = "all", (room, *words)
    if room not in ROOMS:
        raise CliError(
            "test.no_such_room",
            f"there is no room `{room}` among the tests.",
            hint=f"These are there: {', '.join(ROOMS)}. Words for pytest stand after `--`.",
            status=2,
        )
    return Test(room, words, arguments.count, arguments.minutes)


def run(request: Test, _output: Output) -> int:
    """Run the tests on this terminal."""
    from meso_host.testing import soak, suite  # noqa: PLC0415 (the host's part)

    if request.room == "soak":
        return soak.run(request.words, request.count, request.minutes)
    return suite.run(suite.Suite(request.room, request.words))
