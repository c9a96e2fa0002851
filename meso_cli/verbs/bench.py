"""`meso bench`: measured figures."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli.output import CliError, Output, table
from meso_cli.page import Page
from meso_cli.progress import Progress

PAGE = Page(
    text="""
Measures an area, or all of them, and puts beside each figure what it is held
against: a peer that is measured in the same run, or a bound that was set. With
--json it prints one object a line: area, name, value, unit, and peer or bound.
""",
    examples=(
        ("meso bench", "everything, as a table"),
        ("meso bench boot", "one area"),
        ("meso bench --json > figures.jsonl", "for programs, one object a line"),
    ),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """Which area; None means all."""

    area: str | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("area", nargs="?", metavar="AREA", help="image, boot, services, …")


def parse(arguments: argparse.Namespace) -> Bench:
    """The request."""
    return Bench(arguments.area)


def run(request: Bench, output: Output) -> int:
    """Measure and print; 1 when a figure is beyond its bound."""
    from meso_host.bench import areas, record  # noqa: PLC0415 (not on the appliance)

    if request.area and request.area not in areas.AREAS:
        raise CliError(
            "bench.no_such_area",
            f"there is no area `{request.area}` to measure.",
            hint=f"These are there: {', '.join(areas.AREAS)}.",
            status=2,
        )
    names = [request.area] if request.area else list(areas.AREAS)
    machine = record.machine()
    beyond, progress = False, Progress(len(names))
    for name in names:
        rows = []
        with progress.step(f"measuring {name}") as note:
            for figure in areas.load(name).run(note):
                beyond = beyond or figure.verdict() == "BEYOND"
                rows.append(record.row(figure))
                if output.json:
                    output.line(figure.document(name, machine))
        if not output.json:
            output.line(None, f"{name}, on {machine}\n{table(rows, tuple(record.HEAD))}")
    return int(beyond)
