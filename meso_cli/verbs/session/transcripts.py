"""`meso session import` and `meso session export`: transcripts of other agents, in and out."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meso_cli.actions import Action
from meso_cli.verbs.session.history import History

Transcript = Literal["pi", "claude-code", "goose"]
FORMATS: tuple[Transcript, ...] = ("pi", "claude-code", "goose")


@dataclass(frozen=True, slots=True)
class Import:
    """Make sessions of transcripts: a file, a folder of them, a database of Goose, or `-`."""

    path: str
    format: Transcript | Literal["auto"]
    as_new: bool
    name: str | None
    only: str | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Export:
    """Write a session as a transcript: to a file, a folder, or a project of Claude Code."""

    session: str
    format: Transcript
    path: str | None
    project: Path | None
    session_id: str | None
    cwd: str | None
    force: bool


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="FILE|DIR", help="a transcript, a folder of them, Goose's sessions.db, or -"
    )
    parser.add_argument("--format", choices=("auto", *FORMATS), default="auto")
    parser.add_argument(
        "--as-new", action="store_true", help="under a new id, although its own is free or taken"
    )
    parser.add_argument("--name", metavar="NAME", help="a title in place of its own")
    parser.add_argument("--only", metavar="ID", help="of a folder or database, this session only")
    parser.add_argument("--dry-run", action="store_true", help="say what it would become")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("--format", choices=FORMATS, default="pi")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-o", "--output", dest="path", metavar="FILE|DIR", help="- writes standard output"
    )
    where.add_argument(
        "--project", type=Path, metavar="DIR", help="where Claude Code, started in DIR, finds it"
    )
    where.add_argument(
        "--git", type=Path, metavar="DIR", help="as a git repository: each message is a commit"
    )
    parser.add_argument("--session-id", metavar="UUID", help="the id that Claude Code knows it by")
    parser.add_argument("--cwd", metavar="DIR", help="the directory it shall belong to")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


ACTIONS = (
    Action("import", "make sessions of another agent's transcripts", _import),
    Action("export", "write a session as another agent's transcript, or a git repository", _export),
)


def parse(given: argparse.Namespace) -> Import | Export | History:
    """The request."""
    if given.action == "import":
        return Import(given.path, given.format, given.as_new, given.name, given.only, given.dry_run)
    if given.git is not None:
        return History(given.session, given.git)
    return Export(
        given.session,
        given.format,
        given.path,
        given.project,
        given.session_id,
        given.cwd,
        given.force,
    )
