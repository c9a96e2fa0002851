"""`meso adapter claude-code`: its words, and what it prints."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_cli.actions import Action, add, text_or_input
from meso_cli.output import Output, table

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sessions:
    """One action on the sessions of a project of Claude Code."""

    action: str
    project: Path
    name: str = ""
    source: str | None = None
    at: str | None = None
    turn: int | None = None
    text: str | None = None
    dry_run: bool = False


def _project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR",
                        help="the project's directory; this one if left out")  # fmt: skip


def _session(parser: argparse.ArgumentParser, word: str = "--session") -> None:
    help_text = "a branch or an id; the session that was worked on last if left out"
    parser.add_argument(word, dest="source", metavar="SESSION", help=help_text)


def _dry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what it would do")


def _branch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _session(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--turn", type=int, metavar="N", help="after turn N (see `show`)")
    where.add_argument("--at", metavar="UUID", help="after this message")
    _dry(parser)
    _project(parser)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _project(parser)


def _merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="BRANCH", help="what came of it")
    _session(parser, "--into")
    help_text = "your own words in place of the extract; - reads standard input"
    parser.add_argument("--text", metavar="TEXT", help=help_text)
    _dry(parser)
    _project(parser)


def _checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="LABEL")
    parser.add_argument("--note", dest="text", default="", metavar="TEXT")
    _session(parser)
    _project(parser)


def _restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="CHECKPOINT")
    parser.add_argument("--name", dest="source", metavar="BRANCH", help="the new branch's name")
    _project(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    _project(parser)


ACTIONS = (
    Action("list", "branches, other sessions and checkpoints", _project),
    Action("show", "a session's turns, with their uuids", _show),
    Action("branch", "a new session that begins as another up to a place", _branch),
    Action("switch", "make a branch what `claude --continue` goes on with", _named),
    Action("merge", "tell a branch what came of another, in a new session", _merge),
    Action("checkpoint", "keep a session as it is now", _checkpoint),
    Action("restore", "a new session that is what a checkpoint was", _restore),
    Action("drop", "forget a branch's name, or delete a checkpoint", _named),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions; the chosen one's name becomes `step`."""
    add(parser, ACTIONS, dest="step")


def parse(given: argparse.Namespace) -> Sessions:
    """The request."""
    text = getattr(given, "text", None)
    return Sessions(
        given.step,
        given.project,
        getattr(given, "name", ""),
        getattr(given, "source", None),
        getattr(given, "at", None),
        getattr(given, "turn", None),
        text,
        getattr(given, "dry_run", False),
    )


def run(request: Sessions, output: Output, environment: Mapping[str, str] = os.environ) -> None:
    """Do it. Raises MesoError `claude.*`, `storage.*`, `import.*`."""
    from meso_cli.adapters.claude_sessions import looking, work  # noqa: PLC0415 (needs packages)
    from meso_cli.adapters.claude_sessions.project import Project  # noqa: PLC0415

    project = Project(request.project, environment)
    name, dry = request.name, request.dry_run
    match request.action:
        case "list":
            facts = looking.show_all(project)
            output.result(facts, _listed(facts))
        case "show":
            facts = looking.show(project, request.source)
            output.result(facts, _turns(facts))
        case "branch":
            facts = work.branch(
                project, name, request.source, request.at, request.turn, dry_run=dry
            )
            output.result(facts, _begun(facts))
        case "switch":
            facts = work.switch(project, name)
            output.result(facts, _go_on(f"on branch {name}", facts))
        case "merge":
            text = None if request.text is None else text_or_input(request.text)
            facts = work.merge(project, name, request.source, text, dry_run=dry)
            output.result(facts, _merged(facts))
        case "checkpoint":
            facts = work.checkpoint(project, name, request.source, request.text or "")
            output.result(facts, f"{facts['checkpoint']}  {name}: {facts['turns']} turns of "
                                 f"{facts['branch']}")  # fmt: skip
        case "restore":
            facts = work.restore(project, name, request.source)
            output.result(facts, _go_on(f"restored as branch {facts['branch']}", facts))
        case _:
            output.result(work.drop(project, name), f"forgot {name}")


def _go_on(said: str, facts: Facts) -> str:
    return f"{said}; go on with:\n  {facts['resume']}"


def _begun(facts: Facts) -> str:
    where = f"branch {facts['branch']} of {facts['from']} at {facts['at']}"
    return f"would begin {where}" if facts["dry_run"] else _go_on(where, facts)


def _merged(facts: Facts) -> str:
    if not facts["messages"]:
        return f"{facts['into']} knows everything that {facts['source']} has"
    told = f"{facts['messages']} messages of {facts['source']} for {facts['into']}"
    if facts["dry_run"]:
        return f"would tell {told}:\n\n{facts['text']}"
    return _go_on(f"told {told} (before: {facts['before']})", facts)


def _turns(facts: Facts) -> str:
    rows = [(str(t["turn"]), t["uuid"] or "", t["text"]) for t in facts["turns"]]
    return table(rows, ("TURN", "UUID", "ASKED"))


def _listed(facts: Facts) -> str:
    rows = [
        ("*" if s["head"] else "", s["branch"] or "-", s["session"], str(s["turns"]),
         s["begun_from"] or "")
        for s in facts["sessions"]
    ]  # fmt: skip
    parts = [table(rows, ("", "BRANCH", "SESSION", "TURNS", "BEGUN FROM"))]
    parts += [f"! branch {name}: its session's file is gone" for name in facts["gone"]]
    if facts["checkpoints"]:
        kept = [(c["checkpoint"], c["label"], c["branch"], str(c["turns"]), c["made"])
                for c in facts["checkpoints"]]  # fmt: skip
        parts.append(table(kept, ("CHECKPOINT", "LABEL", "BRANCH", "TURNS", "MADE")))
    return "\n\n".join(parts)
