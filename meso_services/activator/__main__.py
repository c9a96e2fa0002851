"""`python3 -I -m meso_services.activator`: make the right generation current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meso_services.activator.choose import candidates, choose
from meso_services.activator.report import Report, announce, never_fails
from meso_services.activator.steps import Place, activate

if TYPE_CHECKING:
    import argparse


def main(arguments: list[str]) -> int:
    """Activate; always 0, since a boot must not end here."""
    place = _asked(arguments) if arguments else Place(Path("/"), managed=True)
    return never_fails(lambda: _run(place))


def _run(place: Place) -> None:
    choice = choose(candidates(place.root))
    announce(choice)
    report = Report(choice)
    try:
        activate(place, report)
    finally:
        report.write(place.run / "activation.json")


def _asked(arguments: list[str]) -> Place:
    options = _parser().parse_args(arguments)
    managed = options.root == Path("/") if options.manager is None else options.manager
    return Place(options.root, managed)


def _parser() -> argparse.ArgumentParser:
    # A boot passes no arguments and need not pay for this.
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="python3 -m meso_services.activator",
        description="Choose a generation and bring its files into force under /run.",
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help="work below this directory")
    parser.add_argument(
        "--manager",
        action=argparse.BooleanOptionalAction,
        help="tell systemd to reload (default: only when --root is /)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
