"""`meso session resume|handoff|pickup`: go on later, or elsewhere."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from meso_cli import naming
from meso_cli.actions import Action, text_or_input
from meso_cli.output import CliError, Output
from meso_cli.verbs.session.ask import Ask, Row, call

if TYPE_CHECKING:
    from meso_services.contract.client import Connection

MEMORY = ("keep", "merge", "checkpoint")
_CHECKPOINT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# How each platform goes on with a session of this appliance.
GO_ON = {
    "claude-code": "meso adapter install claude-code DIRECTORY, then `claude` there",
    "pi": "meso adapter install pi DIRECTORY, then `pi` there",
    "goose": "meso adapter install goose DIRECTORY, then `goose` there",
}


@dataclass(frozen=True, slots=True)
class HandOff:
    """Hand a session over; with `file` also as one file."""

    ask: Ask
    file: str | None
    force: bool
    files: bool = True


@dataclass(frozen=True, slots=True)
class PickUp:
    """Go on with a file, or with a checkpoint that is here."""

    source: str
    fields: dict[str, Any]


def _resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("--checkpoint", metavar="ID", help="the branch's newest if left out")
    parser.add_argument("--exact", action="store_true",
                        help="make everything what the checkpoint says")  # fmt: skip
    parser.add_argument("--memory", choices=MEMORY, default="keep", help="with --exact")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do")


def _ask_resume(a: argparse.Namespace) -> Ask:
    fields = {"checkpoint": a.checkpoint, "exact": a.exact, "memory": a.memory,
              "dry_run": a.dry_run}  # fmt: skip
    return Ask("POST", f"/v1/sessions/{a.session}/resume", "handoffs.Resumed", "handoffs.Resume",
               fields, view=resumed)  # fmt: skip


def _handoff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("--branch", metavar="BRANCH", help="the current one if left out")
    parser.add_argument("--note", default="", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--to", default="", metavar="PLATFORM", help="who is to go on")
    parser.add_argument("--file", metavar="FILE", help="also write one file to carry elsewhere")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument("--no-files", action="store_true", help="the file without the workspace")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do")


def _pickup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE|ID", help="- reads standard input")
    parser.add_argument("--on", default="", metavar="PLATFORM", help="who goes on")
    parser.add_argument("--branch", metavar="NAME", help="into a new branch of this name")
    parser.add_argument("--memory", choices=MEMORY, default="keep")
    parser.add_argument("--no-files", action="store_true", help="leave the workspace alone")
    parser.add_argument("--dry-run", action="store_true",
                        help="verify it and say what it would do")  # fmt: skip


ROWS = (Row("resume", "go on where it was left; say what differs", _resume, _ask_resume),)
ACTIONS = (
    Action("handoff", "leave a note and a checkpoint for who goes on", _handoff),
    Action("pickup", "go on with what was handed off", _pickup),
)


def parse(a: argparse.Namespace) -> HandOff | PickUp:
    """The request."""
    if a.action == "handoff":
        if a.file and Path(a.file).exists() and not a.force and not a.dry_run:
            raise CliError("cli.file_exists", f"{a.file} is there already.", hint="Use --force.")
        fields = {"branch": a.branch, "note": text_or_input(a.note), "to": a.to,
                  "dry_run": a.dry_run}  # fmt: skip
        ask = Ask("POST", f"/v1/sessions/{a.session}/handoff", "handoffs.HandedOff",
                  "handoffs.Handoff", fields)  # fmt: skip
        return HandOff(ask, a.file, a.force, not a.no_files)
    fields = {"on": a.on, "branch": a.branch, "memory": a.memory, "workspace": not a.no_files,
              "dry_run": a.dry_run}  # fmt: skip
    return PickUp(a.source, fields)


def run(request: HandOff | PickUp, connection: Connection, output: Output) -> None:
    """Do it."""
    match request:
        case HandOff(ask, file):
            document = call(connection, ask)
            if file and document["checkpoint"]:
                document["file"] = _saved(connection, document["checkpoint"], request)
            output.result(document, handed_off(document))
        case PickUp(source, fields):
            _pick_up(connection, source, fields, output)
        case _:
            assert_never(request)


def _saved(connection: Connection, checkpoint: str, wanted: HandOff) -> dict[str, Any]:
    from meso_cli.verbs.checkpoint import carrying  # noqa: PLC0415 (needs packages)

    url = f"/v1/checkpoints/{checkpoint}/export?files={str(wanted.files).lower()}"
    return carrying.save(connection, url, wanted.file or "-", force=wanted.force)


def _pick_up(connection: Connection, source: str, fields: dict[str, Any], output: Output) -> None:
    ident = source
    if source != "-" and not Path(source).is_file():
        ident = naming.checkpoint(connection, source)
        if not _CHECKPOINT.fullmatch(ident):
            raise CliError("cli.file_unreadable", f"{source}: neither a file nor a checkpoint.")
    else:
        found = _brought(connection, source, dry_run=fields["dry_run"])
        ident = found["checkpoint_id"]
        if fields["dry_run"] and not _known(connection, ident):
            output.result({"dry_run": True, "verified": found}, verified(found))
            return
    ask = Ask("POST", f"/v1/checkpoints/{ident}/pickup", "handoffs.PickedUp", "handoffs.Pickup",
              fields)  # fmt: skip
    document = call(connection, ask)
    output.result(document, picked_up(document))


def _brought(connection: Connection, path: str, *, dry_run: bool) -> dict[str, Any]:
    from meso_cli.verbs.checkpoint import carrying  # noqa: PLC0415 (needs packages)

    transfer = carrying.give(connection, path)
    url = f"/v1/transfers/{transfer}/checkpoint?dry_run={str(dry_run).lower()}"
    return call(connection, Ask("POST", url, "checkpoints.Checkpoint", "snapshots.Nothing"))


def _known(connection: Connection, ident: str) -> bool:
    found = call(connection, Ask("GET", "/v1/checkpoints", "checkpoints.Checkpoints"))
    return any(row["checkpoint_id"] == ident for row in found["checkpoints"])


def resumed(reply: Mapping[str, Any]) -> str:
    """Where a session goes on."""
    did = "would go on" if reply["dry_run"] else "goes on"
    lines = [f"session {reply['session']} {did} on branch {reply['branch']} at {reply['tip']}"]
    if reply["unarchived"]:
        lines.append("it was archived")
    if reply["checkpoint"] is None:
        return "\n".join([*lines, "no checkpoint of this branch to compare with"])
    since = reply["entries_since"]
    way = "on another way than it" if since is None else f"{since} entries after it"
    lines.append(f"checkpoint {reply['checkpoint']}: the branch was {way}")
    lines.append(f"files: {reply['workspace']}")
    lines += [f"  DIFFERS {path}" for path in reply["files_differ"]]
    lines += [f"task {t['task']} was {t['then']}, is {t['now'] or 'missing'}"
              for t in reply["tasks_differ"]]  # fmt: skip
    if reply["tasks_restored"]:
        lines.append(f"tasks brought back: {', '.join(reply['tasks_restored'])}")
    if reply["kept_branch"]:
        lines.append(f"what the branch had beyond it is branch {reply['kept_branch']}")
    if reply["identity"] != "same":
        lines.append(f"identity: {reply['identity']} {', '.join(reply['identity_differs'])}")
    return "\n".join([*lines, *([f"note: {reply['note']}"] if reply["note"] else [])])


def handed_off(reply: Mapping[str, Any]) -> str:
    """A handoff, and how to go on with it."""
    files = "with files" if reply["workspace"] else "no files"
    what = f"{reply['messages']} messages, {len(reply['tasks'])} open tasks, {files}"
    if reply["dry_run"]:
        return f"would hand off branch {reply['branch']} at {reply['tip']}: {what}"
    lines = [f"{reply['checkpoint']}", f"handed off branch {reply['branch']}: {what}"]
    lines += [f"NOT KEPT {what}" for what in reply["missing"]]
    source = reply["file"]["path"] if reply.get("file") else reply["checkpoint"]
    return "\n".join([*lines, f"go on with: meso session pickup {source}"])


def verified(found: Mapping[str, Any]) -> str:
    """A file that was only looked at."""
    at = found["session"]
    return (
        f"the file is whole: checkpoint {found['checkpoint_id']} of session {at['session_id']}, "
        f"branch {at['branch_name']}, {at['message_count']} messages, "
        f"{len(found['active_tasks'])} open tasks\nnote: {found['operator_note']}"
    )


def picked_up(reply: Mapping[str, Any]) -> str:
    """What was picked up, and how to go on."""
    done = reply["restored"]
    did = "would go on" if done["dry_run"] else "goes on"
    lines = [f"session {done['session']} {did} on branch {done['branch']} at {done['tip']}"]
    if done["kept_branch"]:
        lines.append(f"what the branch had beyond it is branch {done['kept_branch']}")
    lines.append(f"tasks: {len(done['tasks'])}; memory: {done['memory']}; "
                 f"files: {done['workspace']}")  # fmt: skip
    if done["identity"] != "same":
        lines.append(f"identity: {done['identity']} {', '.join(done['identity_differs'])}")
    if reply["note"]:
        lines.append(f"note: {reply['note']}")
    if done["dry_run"]:
        return "\n".join(lines)
    lines.append(f"what a model is sent: meso session context {done['session']}")
    if how := GO_ON.get(reply["on"]):
        lines.append(f"on {reply['on']}: {how}")
    return "\n".join(lines)
