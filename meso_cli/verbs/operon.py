"""`meso operon`: which knowledge loads for which text, and why."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, nothing, service, text_or_input
from meso_cli.output import Output, table
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.identity import MatchedOperon, MatchReply

PAGE = Page(
    text="""
An operon is a piece of knowledge that loads when a text calls for it: its triggers
are words and patterns, its size has a budget in tokens.
""",
    examples=(
        ("meso operon list", "every operon with its triggers' number and its size"),
        ("meso operon show math", "one operon, whole"),
        ("meso operon why 'Integrate x squared'", "what would load for that text, and why"),
    ),
)


@dataclass(frozen=True, slots=True)
class ListAll:
    """Every operon."""


@dataclass(frozen=True, slots=True)
class Show:
    """One operon."""

    name: str


@dataclass(frozen=True, slots=True)
class Why:
    """What loads for `text`; `-` is standard input. `budget` is in tokens."""

    text: str
    budget: int | None


Request = ListAll | Show | Why


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--budget", type=int, metavar="TOKENS", help="room for operons")


ACTIONS = (
    Action("list", "list the operons", nothing),
    Action("show", "show an operon", _show),
    Action("why", "say what loads for a text, and why", _why),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "show":
            return Show(arguments.name)
        case "why":
            return Why(arguments.text, arguments.budget)
        case _:
            return ListAll()


def run(request: Request, output: Output) -> int:
    """Call the operon loader."""
    from meso_services.contract import identity as wire  # noqa: PLC0415

    with service("operon-loader") as connection:
        match request:
            case ListAll():
                found = connection.get("/v1/operons", wire.OperonsReply)
                rows = [(o.name, o.version, str(o.tokens), o.description) for o in found.operons]
                text = table(rows, ("NAME", "VERSION", "TOKENS", "DESCRIPTION"))
                text += "".join(f"\n! {p.where}: {p.key}: {p.problem}" for p in found.problems)
                output.result(found.model_dump(mode="json"), text)
            case Show(name):
                operon = connection.get(f"/v1/operons/{name}", wire.Operon)
                output.result(operon.model_dump(mode="json"), operon.text)
            case Why(text, budget):
                given = {"text": text_or_input(text)} | (
                    {"budget_tokens": budget} if budget else {}
                )
                wanted = wire.MatchRequest.model_validate(given)
                reply = connection.post("/v1/operons/match", wanted, wire.MatchReply)
                output.result(reply.model_dump(mode="json"), _why_text(reply))
            case _:
                assert_never(request)
    return 0


def _why_text(reply: MatchReply) -> str:
    lines = [_because(operon, "loads") for operon in reply.loaded]
    lines += [_because(operon, "left out, over the budget") for operon in reply.left_out]
    if not lines:
        lines.append("no operon loads for this text")
    lines.append(f"{reply.tokens} of {reply.budget_tokens} tokens")
    return "\n".join(lines)


def _because(operon: MatchedOperon, verdict: str) -> str:
    said = [f"{r.kind} {r.trigger!r} at {r.offset}: {r.found!r}" for r in operon.reasons]
    return f"{operon.name} {operon.version}, {operon.tokens} tokens: {verdict} ({', '.join(said)})"
