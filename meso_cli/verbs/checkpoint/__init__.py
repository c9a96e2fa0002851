"""`meso checkpoint`: an agent's state at one moment, kept and brought back."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any, assert_never

from meso_cli import naming
from meso_cli.actions import Action, add, service, text_or_input
from meso_cli.output import Output, table
from meso_cli.page import Page
from meso_cli.verbs.session.ask import Ask, Row, call, show

PAGE = Page(
    text="""
A checkpoint binds where a session stands, who the agent is, what it remembers, its
open tasks and its files. A restore brings all of it back or changes nothing. Memory is
shared by all sessions and stays as it is unless --memory says otherwise. What the branch
had beyond the checkpoint stays, under another branch's name.
""",
    examples=(
        ("meso checkpoint create SESSION 'Before risky refactor'", "named: kept until deleted"),
        ("meso checkpoint list", "all of them, oldest first"),
        ("meso checkpoint restore ID --dry-run", "what it would bring back"),
        ("meso checkpoint restore ID --memory checkpoint", "the memory too"),
        ("meso checkpoint export ID FILE", "one file that holds everything"),
        ("meso checkpoint import FILE", "verified, then kept; restore it next"),
    ),
)


@dataclass(frozen=True, slots=True)
class Export:
    """A checkpoint to a file, or to standard output."""

    checkpoint: str
    path: str
    force: bool
    files: bool = True


@dataclass(frozen=True, slots=True)
class Import:
    """A file, or standard input."""

    path: str


Request = Ask | Export | Import


def _ident(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="ID")


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("name", metavar="NAME", nargs="?", help="without one it is kept for a time")
    parser.add_argument("--branch", metavar="BRANCH", help="the current one if left out")
    parser.add_argument("--note", default="", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--summary", metavar="TEXT", help="an extract of the context if left out")
    parser.add_argument("--state", action="store_true", help="also keep the session's variables")


def _ask_create(a: argparse.Namespace) -> Ask:
    fields = {
        "session": a.session,
        "name": a.name,
        "branch": a.branch,
        "note": text_or_input(a.note),
        "summary": a.summary,
        "variables": a.state,
    }
    return Ask("POST", "/v1/checkpoints", "checkpoints.Checkpoint", "checkpoints.MakeCheckpoint",
               fields, view=_made)  # fmt: skip


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--session", metavar="ID", help="only of this session")


def _restore(parser: argparse.ArgumentParser) -> None:
    _ident(parser)
    parser.add_argument("--memory", choices=("keep", "merge", "checkpoint"), default="keep")
    parser.add_argument("--branch", metavar="NAME", help="into a new branch of this name")
    parser.add_argument("--no-tasks", action="store_true", help="leave the tasks alone")
    parser.add_argument("--no-files", action="store_true", help="leave the workspace alone")
    parser.add_argument("--no-state", action="store_true", help="leave the variables alone")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do")


def _ask_restore(a: argparse.Namespace) -> Ask:
    fields = {
        "memory": a.memory,
        "branch": a.branch,
        "tasks": not a.no_tasks,
        "workspace": not a.no_files,
        "variables": not a.no_state,
        "dry_run": a.dry_run,
    }
    return Ask("POST", f"/v1/checkpoints/{a.checkpoint}/restore", "checkpoints.Restored",
               "checkpoints.RestoreCheckpoint", fields, view=_restored)  # fmt: skip


def _export(parser: argparse.ArgumentParser) -> None:
    _ident(parser)
    parser.add_argument("path", metavar="FILE", help="- writes standard output")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument("--no-files", action="store_true", help="without the workspace's files")


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="- reads standard input")


ROWS = (
    Row("create", "keep the state of a session's agent", _create, _ask_create),
    Row("list", "all checkpoints, oldest first", _list,
        lambda a: Ask("GET", "/v1/checkpoints", "checkpoints.Checkpoints",
                      query={"session": a.session}, view=_listed)),
    Row("show", "one checkpoint, whole", _ident,
        lambda a: Ask("GET", f"/v1/checkpoints/{a.checkpoint}", "checkpoints.Checkpoint")),
    Row("restore", "bring it back, or change nothing", _restore, _ask_restore),
    Row("delete", "remove a checkpoint", _ident,
        lambda a: Ask("DELETE", f"/v1/checkpoints/{a.checkpoint}",
                      "checkpoints.CheckpointDeleted")),
)  # fmt: skip
ACTIONS = (
    *(Action(row.name, row.summary, row.arguments) for row in ROWS),
    Action("export", "write one file that holds everything", _export),
    Action("import", "take in such a file", _import),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "export":
            return Export(
                arguments.checkpoint, arguments.path, arguments.force, not arguments.no_files
            )
        case "import":
            return Import(arguments.path)
        case name:
            return next(row for row in ROWS if row.name == name).ask(arguments)


def run(request: Request, output: Output) -> int:
    """Call the session manager."""
    from meso_cli.verbs.checkpoint import carrying  # noqa: PLC0415

    with service("session-manager") as connection:
        match request:
            case Ask():
                show(output, request, call(connection, request))
            case Export():
                ident = naming.checkpoint(connection, request.checkpoint)
                carrying.export(connection, replace(request, checkpoint=ident), output)
            case Import(path):
                carrying.bring(connection, path, output, _made)
            case _:
                assert_never(request)
    return 0


def _made(reply: Any) -> str:
    missing = "".join(f"\nNOT KEPT {what}" for what in reply["meso"]["missing"])
    return f"{reply['checkpoint_id']}{missing}"


def _listed(reply: Any) -> str:
    rows = [
        (c["checkpoint_id"], c["timestamp"], c["session_id"], c["branch_name"],
         str(c["message_count"]), c["checkpoint_name"] or "")
        for c in reply["checkpoints"]
    ]  # fmt: skip
    head = ("ID", "MADE", "SESSION", "BRANCH", "MESSAGES", "NAME")
    text = table(rows, head) if rows else "no checkpoint"
    return "\n".join([text, *(f"UNREADABLE {name}" for name in reply["unreadable"])])


def _restored(reply: Any) -> str:
    did = "would restore" if reply["dry_run"] else "restored"
    lines = [f"{did} session {reply['session']}, branch {reply['branch']}, at {reply['tip']}"]
    if reply["kept_branch"]:
        lines.append(f"what the branch had beyond it is branch {reply['kept_branch']}")
    lines.append(f"tasks: {len(reply['tasks'])}; memory: {reply['memory']}; "
                 f"files: {reply['workspace']}")  # fmt: skip
    if reply["identity"] != "same":
        differs = ", ".join(reply["identity_differs"])
        lines.append(f"identity: {reply['identity']} {differs} (reported, never switched)")
    return "\n".join(lines)
