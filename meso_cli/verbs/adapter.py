"""`meso adapter`: the same identity on other agents' platforms."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from meso_cli.actions import MOST_BYTES, Action, add, nothing
from meso_cli.adapters.claude_sessions import command as claude_sessions
from meso_cli.output import Output, table
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_cli.adapters.install import Manifest
    from meso_cli.adapters.tree import Tree

PLATFORMS = ("claude-code", "pi", "goose")
PAGE = Page(
    text="""
Writes what a platform reads (CLAUDE.md, AGENTS.md, rules, skills, hooks, the MCP
configuration), so that this identity appears there, under the same identity hash.
What is yours in those files stays; `uninstall` takes back every byte that was added.

The identity comes from --genome DIR, or from the appliance --host, or on an appliance
from itself. With --host the platform also gets the appliance's tools.
""",
    examples=(
        ("meso adapter install claude-code ~/work --host operator@garden.local", ""),
        ("meso adapter install pi ~/work --genome genome --dry-run", "only show the changes"),
        ("meso adapter status ~/work", "what is installed there, and what drifted"),
        ("meso adapter uninstall pi ~/work", "leave no trace"),
        ("meso adapter export-context --genome genome", "print the prompt"),
        ("meso adapter capabilities", "which platform has what, and what falls back how"),
        ("meso adapter claude-code branch try --turn 4", "branch a session of Claude Code"),
        ("meso adapter claude-code merge try --into main", "tell main what came of it"),
        ("meso adapter tasks pull ~/.claude/tasks/LIST", "Claude Code's tasks become MESO's"),
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the identity comes from."""

    genome: Path | None
    host: str | None


@dataclass(frozen=True, slots=True)
class Install:
    """Write a platform's files into `directory`."""

    platform: str
    directory: Path
    place: Place
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Uninstall:
    """Take them back; `force` drops edits inside our parts."""

    platform: str
    directory: Path
    force: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Status:
    """What is installed; compared with an identity if one is named."""

    directory: Path
    place: Place


@dataclass(frozen=True, slots=True)
class Export:
    """Print the prompt."""

    place: Place


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Print the matrix."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Answer a platform's hook, on the appliance."""


@dataclass(frozen=True, slots=True)
class MapTasks:
    """Map a list of Claude Code's tasks; `direction` is pull or push."""

    direction: str
    directory: Path
    host: str | None
    dry_run: bool


Request = (
    Install
    | Uninstall
    | Status
    | Export
    | Capabilities
    | Hook
    | MapTasks
    | claude_sessions.Sessions
)


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genome", type=Path, metavar="DIR", help="take the identity from here")
    _host(parser)


def _host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", metavar="USER@HOST", help="an appliance; vm:NAME is the virtual machine NAME"
    )


def _dry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the changes, make none")


def _platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("directory", type=Path, metavar="DIR", help="the project's directory")


def _install(parser: argparse.ArgumentParser) -> None:
    _platform(parser)
    _place(parser)
    _dry(parser)


def _uninstall(parser: argparse.ArgumentParser) -> None:
    _platform(parser)
    parser.add_argument("--force", action="store_true", help="drop edits inside our parts")
    _dry(parser)


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR")
    _place(parser)


def _hook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("platform", choices=("claude-code",))


def _tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("direction", choices=("pull", "push"), help="to MESO, or from MESO")
    parser.add_argument("directory", type=Path, metavar="LIST", help="~/.claude/tasks/NAME")
    _host(parser)
    _dry(parser)


ACTIONS = (
    Action("install", "write what a platform reads", _install),
    Action("uninstall", "take it back", _uninstall),
    Action("status", "what is installed, and what drifted", _status),
    Action("capabilities", "which platform has what", nothing),
    Action("export-context", "print the prompt", _place),
    Action("tasks", "map Claude Code's tasks", _tasks),
    Action("claude-code", "branch, merge and keep Claude Code's own sessions",
           claude_sessions.configure),
    Action("hook", "answer a platform's hook (on the appliance)", _hook),
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    place = Place(getattr(arguments, "genome", None), getattr(arguments, "host", None))
    given = arguments
    makers: dict[str, Callable[[], Request]] = {
        "install": lambda: Install(given.platform, given.directory, place, given.dry_run),
        "uninstall": lambda: Uninstall(given.platform, given.directory, given.force, given.dry_run),
        "status": lambda: Status(given.directory, place),
        "export-context": lambda: Export(place),
        "tasks": lambda: MapTasks(given.direction, given.directory, given.host, given.dry_run),
        "hook": Hook,
        "claude-code": lambda: claude_sessions.parse(given),
        "capabilities": Capabilities,
    }
    return makers[arguments.action]()


def run(request: Request, output: Output) -> int:
    """Do it."""
    match request:
        case Install():
            _do_install(request, output)
        case Uninstall():
            _do_uninstall(request, output)
        case Status(directory, place):
            _show_status(directory, place, output)
        case Export(place):
            _export(place, output)
        case Capabilities():
            _show_matrix(output)
        case MapTasks():
            _map_tasks(request, output)
        case claude_sessions.Sessions():
            claude_sessions.run(request, output)
        case Hook():
            _answer_hook()
        case _:
            assert_never(request)
    return 0


def _opened(directory: Path) -> Tree:
    from meso_cli.adapters.tree import Tree  # noqa: PLC0415
    from meso_cli.output import CliError  # noqa: PLC0415

    if not directory.is_dir():
        raise CliError("adapter.no_directory", f"{directory} is no directory.", hint="Make it.")
    return Tree(directory.resolve())


def _do_install(request: Install, output: Output) -> None:
    from meso_cli.adapters.install import install, manifest_path  # noqa: PLC0415
    from meso_cli.adapters.rows import find  # noqa: PLC0415
    from meso_cli.adapters.where import source  # noqa: PLC0415

    tree, adapter = _opened(request.directory), find(request.platform)
    wanted = source(request.place.genome, request.place.host)
    manifest = install(tree, adapter, wanted)
    missing = list(adapter.missing(wanted))
    files = sorted(tree.changes())
    facts = _facts(manifest, files) | {"missing": missing, "dry_run": request.dry_run}
    if request.dry_run:
        output.result(facts | {"diff": tree.diff()}, tree.diff() or "nothing would change")
        return
    tree.write(first=manifest_path(adapter.name))
    lines = [f"identity {manifest.identity}", *files, *(f"! {m}" for m in missing)]
    output.result(facts, "\n".join(lines))


def _facts(manifest: Manifest, files: list[str]) -> dict[str, Any]:
    return {
        "platform": manifest.platform,
        "identity": manifest.identity,
        "host": manifest.host,
        "files": files,
    }


def _do_uninstall(request: Uninstall, output: Output) -> None:
    from meso_cli.adapters.install import (  # noqa: PLC0415
        remove_directories,
        uninstall,
    )

    tree = _opened(request.directory)
    manifest = uninstall(tree, request.platform, force=request.force)
    files = sorted(tree.changes())
    facts = _facts(manifest, files) | {"dry_run": request.dry_run}
    if request.dry_run:
        output.result(facts | {"diff": tree.diff()}, tree.diff())
        return
    tree.write(first="")
    remove_directories(tree.top, manifest.directories)
    output.result(facts, "\n".join(files))


def _show_status(directory: Path, place: Place, output: Output) -> None:
    from meso_cli.adapters import rows, where  # noqa: PLC0415
    from meso_cli.adapters.install import drifted, read_manifest  # noqa: PLC0415

    tree = _opened(directory)
    named = place.genome is not None or place.host is not None
    wanted = where.source(place.genome, place.host).who.hash if named else None
    found: list[dict[str, Any]] = []
    for name in rows.NAMES:
        if manifest := read_manifest(tree, name):
            drift = drifted(tree, manifest)
            if wanted not in (None, manifest.identity):
                drift.append(f"the identity is {wanted} now: install again")
            facts = {"identity": manifest.identity, "host": manifest.host, "drift": drift}
            found.append({"platform": name, **facts})
    lines = [f"{f['platform']}  identity {f['identity']}" + _drift(f["drift"]) for f in found]
    output.result({"installed": found}, "\n".join(lines) or "no adapter is installed here")


def _drift(drift: list[str]) -> str:
    return "".join(f"\n  ! {line}" for line in drift) or "   (as installed)"


def _export(place: Place, output: Output) -> None:
    from meso_cli.adapters.where import source, told  # noqa: PLC0415
    from meso_services.prompt.compose import prompt  # noqa: PLC0415

    who = source(place.genome, place.host).who
    output.result({"who": told(who), "prompt": prompt(who)}, prompt(who).rstrip("\n"))


def _show_matrix(output: Output) -> None:
    from meso_cli.adapters.rows import ADAPTERS  # noqa: PLC0415

    matrix = {
        adapter.name: {
            str(name): {"level": str(support.level), "how": support.how}
            for name, support in adapter.capabilities.items()
        }
        for adapter in ADAPTERS
    }
    names = list(next(iter(matrix.values())))
    rows = [(name, *(matrix[p][name]["level"] for p in matrix)) for name in names]
    notes = [
        f"{platform}, {name}: {cell['how']}"
        for platform, cells in matrix.items()
        for name, cell in cells.items()
    ]
    text = table(rows, ("CAPABILITY", *matrix)) + "\n\n" + "\n".join(notes)
    output.result({"platforms": matrix}, text)


def _map_tasks(request: MapTasks, output: Output) -> None:
    from meso_cli.adapters import claude_tasks  # noqa: PLC0415

    report = claude_tasks.run(
        request.direction, request.directory, request.host, dry_run=request.dry_run
    )
    output.result(report.document(), report.text())


def _answer_hook() -> None:
    from meso_cli.adapters.hook import claude_code  # noqa: PLC0415
    from meso_services.contract.client import Connection  # noqa: PLC0415

    given = sys.stdin.buffer.read(MOST_BYTES).decode(errors="replace")
    with Connection("operon-loader") as connection:
        answer = claude_code(given, connection)
    if answer is not None:
        print(json.dumps(answer))
