"""`meso mind`: minds that think in rounds over their own pools."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import assert_never

from meso_cli.actions import Action, add, nothing, service
from meso_cli.output import Output, table
from meso_cli.page import Page

PAGE = Page(
    text="""
A mind is a directory below /meso/minds: its configuration, its thinking pool, its
messages, its clusters and the record of interventions.
""",
    examples=(
        ("meso mind init ariel --prompt 'Watch the garden.'", "make a mind"),
        ("meso mind list", "every mind, and its iteration"),
        ("meso mind show ariel", "its iteration, pools and configuration"),
    ),
)


@dataclass(frozen=True, slots=True)
class Init:
    """A new mind."""

    name: str
    prompt: str | None


@dataclass(frozen=True, slots=True)
class ListAll:
    """Every mind."""


@dataclass(frozen=True, slots=True)
class Show:
    """One mind."""

    name: str


Request = Init | ListAll | Show


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--prompt", help="what it is told first")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


ACTIONS = (
    Action("init", "make a mind", _init),
    Action("list", "list the minds", nothing),
    Action("show", "show a mind's state", _show),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "init":
            return Init(arguments.name, arguments.prompt)
        case "show":
            return Show(arguments.name)
        case _:
            return ListAll()


def run(request: Request, output: Output) -> int:
    """Call the mind runner."""
    from meso_services.contract import mind as wire  # noqa: PLC0415

    with service("mind-runner") as connection:
        match request:
            case Init(name, prompt):
                given = {"name": name} | ({"prompt": prompt} if prompt else {})
                wanted = wire.CreateMind.model_validate(given)
                made = connection.post("/v1/minds", wanted, wire.Mind, once=True)
                output.result(made.model_dump(mode="json"), made.name)
            case ListAll():
                found = connection.get("/v1/minds", wire.MindsReply)
                rows = [(m.name, _iteration(m.iteration), m.problem) for m in found.minds]
                text = table(rows, ("NAME", "ITERATION", "PROBLEM")) if rows else "no mind"
                output.result(found.model_dump(mode="json"), text)
            case Show(name):
                mind = connection.get(f"/v1/minds/{name}", wire.Mind)
                output.result(mind.model_dump(mode="json"), _page(mind.model_dump()))
            case _:
                assert_never(request)
    return 0


def _iteration(number: int | None) -> str:
    return "?" if number is None else str(number)


def _page(mind: dict[str, object], lead: str = "") -> str:
    lines = []
    for key, value in mind.items():
        if isinstance(value, dict):
            lines += [f"{lead}{key}:", _page(value, lead + "  ")]
        else:
            lines.append(f"{lead}{key}: {value}")
    return "\n".join(line for line in lines if line)
