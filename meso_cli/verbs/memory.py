"""`meso memory`: what the appliance remembers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, service, text_or_input
from meso_cli.output import Output
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.memory import SearchReply

PAGE = Page(
    text="""
A memory is a Markdown file below /meso/memory, yours to read and to edit. The
search follows an edit by hand.
""",
    examples=(
        ("meso memory write 'The kettle is in the left cupboard.' --tag kitchen", "keep it"),
        ("meso memory search kettle", "find it, with the words that matched"),
        ("meso memory show ID", "the whole text"),
    ),
)


@dataclass(frozen=True, slots=True)
class Write:
    """A memory to keep; the text `-` is standard input."""

    text: str
    source: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Words to look for."""

    words: str
    limit: int


@dataclass(frozen=True, slots=True)
class Show:
    """One memory."""

    memory: str


Request = Write | Search | Show


def _write(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="Markdown; - reads standard input")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG")
    parser.add_argument("--source", help="where it comes from")


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument("--limit", type=int, default=10, metavar="N")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID")


ACTIONS = (
    Action("write", "keep a memory", _write),
    Action("search", "find memories by their words", _search),
    Action("show", "show a memory", _show),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "write":
            return Write(arguments.text, arguments.source, tuple(arguments.tag))
        case "search":
            return Search(" ".join(arguments.words), arguments.limit)
        case _:
            return Show(arguments.memory)


def run(request: Request, output: Output) -> int:
    """Call the memory manager."""
    from meso_services.contract import memory as wire  # noqa: PLC0415

    with service("memory-manager") as connection:
        match request:
            case Write(text, source, tags):
                given = {"content": text_or_input(text), "source": source, "tags": tags}
                wanted = wire.WriteRequest(**{k: v for k, v in given.items() if v})
                # The same text twice is one memory, so it may be sent again.
                reply = connection.post("/v1/memories", wanted, wire.WriteReply)
                note = "" if reply.created else "   (was there already)"
                output.result(reply.model_dump(mode="json"), reply.memory.id + note)
            case Search(words, limit):
                found = connection.get("/v1/search", wire.SearchReply, q=words, limit=limit)
                output.result(found.model_dump(mode="json"), _hits(found))
            case Show(memory):
                kept = connection.get(f"/v1/memories/{memory}", wire.Memory)
                output.result(kept.model_dump(mode="json"), kept.content)
            case _:
                assert_never(request)
    return 0


def _hits(reply: SearchReply) -> str:
    if not reply.hits:
        return f"nothing found in {reply.searched} memories"
    parts = []
    for hit in reply.hits:
        why = f"matched: {', '.join(hit.matched)}"
        why += f"; missing: {', '.join(hit.missing)}" if hit.missing else ""
        parts.append(f"{hit.id}  ({why})\n  {hit.snippet.strip()}")
    return "\n".join(parts)
