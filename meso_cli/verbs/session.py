"""`meso session`: sessions and their entries."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import assert_never

from meso_cli.actions import Action, add, nothing, service, text_or_input
from meso_cli.output import Output, table
from meso_cli.page import Page

PAGE = Page(
    text="""
A session is a file of entries that only grows: /meso/sessions/main, one JSON
object a line. An entry is on the disk before the command returns.
""",
    examples=(
        ("meso session create --name 'First steps'", "a new session; prints its id"),
        ("meso session append ID 'What is in the left cupboard?'", "append a user's message"),
        ("echo long text | meso session append ID -", "the text comes from standard input"),
        ("meso session list", "every session, oldest first"),
        ("meso session show ID", "its entries"),
    ),
)


@dataclass(frozen=True, slots=True)
class Create:
    """A new session."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Append:
    """A message to append; the text `-` is standard input."""

    session: str
    text: str
    role: str


@dataclass(frozen=True, slots=True)
class ListAll:
    """Every session."""


@dataclass(frozen=True, slots=True)
class Show:
    """One session's entries."""

    session: str


Request = Create | Append | ListAll | Show


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="a title for people")


def _append(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("text", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--role", choices=("user", "assistant"), default="user")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")


ACTIONS = (
    Action("create", "make a session", _create),
    Action("append", "append a message", _append),
    Action("list", "list the sessions", nothing),
    Action("show", "show a session's entries", _show),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "create":
            return Create(arguments.name)
        case "append":
            return Append(arguments.session, arguments.text, arguments.role)
        case "show":
            return Show(arguments.session)
        case _:
            return ListAll()


def run(request: Request, output: Output) -> int:
    """Call the session manager."""
    from meso_services.contract.client import SessionManager, message  # noqa: PLC0415
    from meso_services.contract.session import CreateSession  # noqa: PLC0415

    with service("session-manager") as connection:
        manager = SessionManager(connection)
        match request:
            case Create(name):
                made = manager.create(CreateSession(name=name) if name else CreateSession())
                output.result(made.model_dump(mode="json"), made.id)
            case Append(session, text, role):
                entry = manager.append(session, message(role, text_or_input(text)))
                output.result(entry.model_dump(mode="json"), entry.id)
            case ListAll():
                found = [s.model_dump(mode="json") for s in manager.sessions()]
                rows = [
                    (s["id"], str(s["entries"]), s["updated_at"], s["name"] or "") for s in found
                ]
                text = table(rows, ("ID", "ENTRIES", "UPDATED", "NAME")) if rows else "no session"
                output.result({"sessions": found}, text)
            case Show(session):
                entries = [e.model_dump(mode="json") for e in manager.entries(session)]
                output.result({"entries": entries}, "\n".join(map(_line, entries)) or "no entry")
            case _:
                assert_never(request)
    return 0


def _line(entry: dict[str, object]) -> str:
    data = entry["data"]
    message = data.get("message") if isinstance(data, dict) else None
    if isinstance(message, dict) and isinstance(message.get("content"), str):
        return f"{entry['timestamp']}  {message.get('role')}: {message['content']}"
    return f"{entry['timestamp']}  {entry['type']}: {json.dumps(data, ensure_ascii=False)}"
