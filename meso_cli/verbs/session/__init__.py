"""`meso session`: sessions and their entries."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from meso_cli import naming
from meso_cli.actions import Action, add, nothing, service, text_or_input
from meso_cli.output import Output, table
from meso_cli.page import Page
from meso_cli.verbs.session import handing, history, sync, transcripts
from meso_cli.verbs.session.ask import Ask, call
from meso_cli.verbs.session.ask import show as shown
from meso_cli.verbs.session.history import History
from meso_cli.verbs.session.rows import ROWS
from meso_cli.verbs.session.views import entries as lines

if TYPE_CHECKING:
    from meso_services.contract.client import Connection

PAGE = Page(
    text="""
A session is a file of entries that only grows: /meso/sessions/main, one JSON
object a line. An entry is on the disk before the command returns. A branch is a name for
an entry: it begins in the same time in a session of any length, and nothing is rewritten.
""",
    examples=(
        ("meso session create --name 'First steps'", "a new session; prints its id"),
        ("meso session append ID 'What is in the left cupboard?'", "append a user's message"),
        ("echo long text | meso session append ID -", "the text comes from standard input"),
        ("meso session list", "every session, oldest first"),
        ("meso session show ID", "its entries"),
        ("meso session branch ID try --message 42", "a branch that begins at message 42"),
        ("meso session append ID TEXT --branch try", "say something there"),
        ("meso session merge ID try --dry-run", "what would come to the current branch"),
        ("meso session merge ID try --strategy extract", "only what came of it, in one entry"),
        ("meso session context ID --budget 20000", "what a model would be sent"),
        ("meso session import FILE --dry-run", "what a transcript of another agent would become"),
        ("meso session export ID --project .", "so that `claude --resume` finds it here"),
        ("meso session export ID --git DIR", "for git log, diff, blame and bisect"),
        ("meso session handoff ID --note 'Next: the tests' --file FILE", "for another appliance"),
        ("meso session pickup FILE", "go on there"),
        ("meso session push operator@garden.local --dry-run", "what another appliance lacks"),
        ("meso session pull /media/stick", "what a directory has for this one"),
        ("meso session replay ID --at ENTRY", "what it was when ENTRY was the newest"),
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
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class ListAll:
    """Every session."""


@dataclass(frozen=True, slots=True)
class Show:
    """One session's entries."""

    session: str


Syncing = sync.Send | sync.Receive | sync.Sync
Carrying = transcripts.Import | transcripts.Export | History
Handing = handing.HandOff | handing.PickUp
Request = Create | Append | ListAll | Show | Ask | Handing | Syncing | Carrying
ALL_ROWS = (*ROWS, *handing.ROWS, *sync.ROWS)


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="a title for people")


def _append(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("text", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--role", choices=("user", "assistant"), default="user")
    parser.add_argument("--branch", metavar="BRANCH", help="the current one if left out")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")


ACTIONS = (
    Action("create", "make a session", _create),
    Action("append", "append a message", _append),
    Action("list", "list the sessions", nothing),
    Action("show", "show a session's entries", _show),
    *(Action(row.name, row.summary, row.arguments) for row in ALL_ROWS),
    *handing.ACTIONS,
    *sync.ACTIONS,
    *transcripts.ACTIONS,
)
OTHERS = (
    *((row.name, row.ask) for row in ALL_ROWS),
    *((action.name, handing.parse) for action in handing.ACTIONS),
    *((action.name, sync.parse) for action in sync.ACTIONS),
    *((action.name, transcripts.parse) for action in transcripts.ACTIONS),
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
            return Append(arguments.session, arguments.text, arguments.role, arguments.branch)
        case "show":
            return Show(arguments.session)
        case "list":
            return ListAll()
        case name:
            return next(ask for known, ask in OTHERS if known == name)(arguments)


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
            case Append(session, text, role, branch):
                new = message(role, text_or_input(text))
                if branch is not None:
                    new = new.model_copy(update={"branch": branch})
                entry = manager.append(naming.session(connection, session), new)
                output.result(entry.model_dump(mode="json"), entry.id)
            case ListAll():
                found = [s.model_dump(mode="json") for s in manager.sessions()]
                rows = [
                    (s["id"], str(s["entries"]), s["updated_at"], s["name"] or "") for s in found
                ]
                text = table(rows, ("ID", "ENTRIES", "UPDATED", "NAME")) if rows else "no session"
                output.result({"sessions": found}, text)
            case Show(session):
                ident = naming.session(connection, session)
                entries = [e.model_dump(mode="json") for e in manager.entries(ident)]
                output.result({"entries": entries}, lines(entries))
            case handing.HandOff() | handing.PickUp():
                handing.run(request, connection, output)
            case sync.Send() | sync.Receive() | sync.Sync():
                return sync.run(request, connection, output)
            case transcripts.Import() | transcripts.Export() | History():
                return _carry(request, connection, output)
            case Ask():
                shown(output, request, call(connection, request))
            case _:
                assert_never(request)
    return 0


def _carry(request: Carrying, connection: Connection, output: Output) -> int:
    """Bring transcripts in, or write a session for somebody else."""
    from meso_cli.verbs.session import carrying  # noqa: PLC0415

    if isinstance(request, transcripts.Import):
        return carrying.bring(connection, request, output)
    ident = naming.session(connection, request.session)
    if isinstance(request, History):
        history.write(connection, replace(request, session=ident), output)
    else:
        carrying.export(connection, replace(request, session=ident), output)
    return 0
