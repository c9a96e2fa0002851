"""`meso task`: the work to be done, and what waits for what."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, assert_never

from meso_cli import naming
from meso_cli.actions import Action, add, service, text_or_input
from meso_cli.output import CliError, Output, table
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.client import Connection
    from meso_services.contract.tasks import Task, TaskEvent

STATUSES = ("pending", "in_progress", "blocked", "completed", "cancelled")
PAGE = Page(
    text="""
A task is kept by the session manager: every change is one more line of a log that
only grows, /meso/sessions/tasks/tasks.jsonl. A task that waits for others begins
when those have ended.
""",
    examples=(
        ("meso task create 'Water the garden' --label garden", "a new task; prints its id"),
        ("meso task create 'Harvest' --after ID", "one that waits for the task ID"),
        ("meso task list --ready", "what can begin now"),
        ("meso task update ID --status in_progress --owner ariel", "take it up"),
        ("meso task done ID", "it is completed"),
        ("meso task show ID", "the task and its history"),
    ),
)


@dataclass(frozen=True, slots=True)
class Create:
    """A new task; `fields` are those of the message."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    """Changes of a task: fields to replace, and what to add to or take from two of them."""

    task: str
    fields: dict[str, Any]
    wait_for: tuple[str, ...] = ()
    no_longer: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    unlabel: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListAll:
    """Tasks that match."""

    status: tuple[str, ...] = ()
    filters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Show:
    """One task and its history."""

    task: str


Request = Create | Update | ListAll | Show


def _fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", metavar="TEXT", help="- reads standard input")
    parser.add_argument("--session", metavar="ID", help="the session that it belongs to")
    parser.add_argument("--owner", metavar="NAME", help="who works on it")
    parser.add_argument("--status", choices=STATUSES)
    parser.add_argument("--label", action="append", metavar="LABEL", help="may stand several times")
    parser.add_argument("--after", action="append", metavar="ID", help="wait for that task")
    parser.add_argument("--metadata", metavar="JSON", help="an object; null removes a key")


def _create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", metavar="SUBJECT")
    _fields(parser)


def _update(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="ID")
    parser.add_argument("--subject", metavar="TEXT")
    _fields(parser)
    parser.add_argument("--unlabel", action="append", metavar="LABEL", help="take a label away")
    parser.add_argument("--not-after", action="append", metavar="ID", help="no longer wait for it")
    parser.add_argument("--force", action="store_true", help="although it waits for others")


def _done(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="ID")
    parser.add_argument("--force", action="store_true", help="although it waits for others")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", action="append", choices=STATUSES, help="several are allowed")
    parser.add_argument("--open", action="store_true", help="those that have not ended")
    parser.add_argument("--ready", action="store_true", help="those that can begin now")
    parser.add_argument("--session", metavar="ID")
    parser.add_argument("--owner", metavar="NAME")
    parser.add_argument("--label", metavar="LABEL")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="ID")


ACTIONS = (
    Action("create", "make a task", _create),
    Action("list", "list tasks, oldest first", _list),
    Action("show", "show a task and its history", _show),
    Action("update", "change a task", _update),
    Action("done", "say that a task is completed", _done),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    match arguments.action:
        case "create":
            lists = {"labels": arguments.label, "blocked_by": arguments.after}
            return Create(_given(arguments) | {n: v for n, v in lists.items() if v})
        case "update":
            changes = (arguments.after, arguments.not_after, arguments.label, arguments.unlabel)
            return Update(arguments.task, _given(arguments), *(tuple(c or ()) for c in changes))
        case "done":
            return Update(arguments.task, {"status": "completed", "force": arguments.force})
        case "show":
            return Show(arguments.task)
        case _:
            return _listing(arguments)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("subject", "description", "session", "owner", "status", "force")
    found = {name: getattr(arguments, name, None) for name in names}
    if arguments.metadata is not None:
        found["metadata"] = _object(arguments.metadata)
    set_ones = {name: value for name, value in found.items() if value not in (None, False)}
    # An empty word takes a session or an owner away.
    return {n: None if n in ("session", "owner") and v == "" else v for n, v in set_ones.items()}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CliError("cli.not_json", f"--metadata is not JSON: {error}", status=2) from error
    if not isinstance(found, dict):
        raise CliError("cli.not_json", "--metadata takes a JSON object.", status=2)
    return found


def _listing(arguments: argparse.Namespace) -> ListAll:
    status = tuple(arguments.status or ())
    if arguments.open:
        status = ("pending", "in_progress", "blocked")
    filters = {name: getattr(arguments, name) for name in ("session", "owner", "label")}
    return ListAll(status, filters | {"ready": True if arguments.ready else None})


def _with_session(connection: Connection, request: Request) -> Request:
    """With the id in place of what a person calls the session."""

    def known(given: dict[str, Any]) -> dict[str, Any]:
        word = given.get("session")
        return {**given, "session": naming.session(connection, word)} if word else given

    match request:
        case Create(fields) | Update(fields=fields):
            return replace(request, fields=known(fields))
        case ListAll(filters=filters):
            return replace(request, filters=known(filters))
        case _:
            return request


def run(request: Request, output: Output) -> int:
    """Call the session manager."""
    from meso_services.contract.tasks import CreateTask, TaskStatus  # noqa: PLC0415
    from meso_services.contract.tasks_client import Tasks  # noqa: PLC0415

    with service("session-manager") as connection:
        tasks = Tasks(connection)
        request = _with_session(connection, request)
        match request:
            case Create(fields):
                made = tasks.create(CreateTask.model_validate(_read_text(fields)))
                output.result(made.model_dump(mode="json"), made.id)
            case Update():
                changed = _changed(tasks, request)
                output.result(changed.model_dump(mode="json"), _line(changed))
            case ListAll(status, filters):
                found = list(tasks.tasks(status=[TaskStatus(s) for s in status], **filters))
                shown = [task.model_dump(mode="json") for task in found]
                output.result({"tasks": shown}, _table(found))
            case Show(task):
                known, events = tasks.get(task), list(tasks.events(task))
                history = [event.model_dump(mode="json") for event in events]
                output.result(
                    known.model_dump(mode="json") | {"events": history}, _page(known, events)
                )
            case _:
                assert_never(request)
    return 0


def _read_text(fields: dict[str, Any]) -> dict[str, Any]:
    if "description" in fields:
        return fields | {"description": text_or_input(fields["description"] or "")}
    return fields


def _changed(tasks: Any, request: Update) -> Task:
    from meso_services.contract.tasks import UpdateTask  # noqa: PLC0415

    fields = _read_text(request.fields)
    lists = {
        "blocked_by": (request.wait_for, request.no_longer),
        "labels": (request.label, request.unlabel),
    }
    if any(add or take for add, take in lists.values()):
        known = tasks.get(request.task)
        # Somebody else's change in between is refused, not overwritten.
        fields = {**fields, "if_version": known.version}
        for name, (more, less) in lists.items():
            if more or less:
                kept = [one for one in getattr(known, name) if one not in less]
                fields[name] = tuple(dict.fromkeys([*kept, *more]))
    changed: Task = tasks.update(request.task, UpdateTask.model_validate(fields))
    return changed


def _line(task: Task) -> str:
    waits = f"   after {', '.join(task.blocked_by)}" if task.blocked_by else ""
    return f"{task.id}  {task.status}  {task.subject}{waits}"


def _table(tasks: list[Task]) -> str:
    rows = [(t.id, str(t.status), t.owner or "", ",".join(t.blocked_by), t.subject) for t in tasks]
    return table(rows, ("ID", "STATUS", "OWNER", "AFTER", "SUBJECT")) if rows else "no task"


def _page(task: Task, events: list[TaskEvent]) -> str:
    facts = task.model_dump(mode="json")
    lines = [
        f"{name:12} {_shown(value)}"
        for name, value in facts.items()
        if value not in (None, [], {}, "")
    ]
    lines += ["", *(f"{e.timestamp}  {json.dumps(e.changes, ensure_ascii=False)}" for e in events)]
    return "\n".join(lines)


def _shown(value: object) -> str:
    match value:
        case list():
            return ", ".join(map(str, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
