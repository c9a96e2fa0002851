"""`meso session push|pull|sync-archive`: between instances, over ssh or a directory."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from meso_cli import naming
from meso_cli.actions import Action
from meso_cli.output import CliError, Output
from meso_cli.verbs.session.ask import Ask, Row

if TYPE_CHECKING:
    from meso_cli.verbs.session.peers import Peer
    from meso_services.contract.client import Connection

Heads = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Send:
    """A session as one file; `-` is standard output."""

    session: str
    path: str
    force: bool


@dataclass(frozen=True, slots=True)
class Receive:
    """Take in such a file; `-` is standard input."""

    path: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Sync:
    """`what` is push, pull or sync-archive. No `sessions`: all of them."""

    what: str
    peer: str
    sessions: tuple[str, ...]
    dry_run: bool


def _send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")
    parser.add_argument("path", metavar="FILE", help="- writes standard output")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def _receive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="- reads standard input")
    parser.add_argument("--dry-run", action="store_true", help="say what would come")


def _heads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", metavar="ID", help="those after this session")


def _peer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("peer", metavar="PEER", help="USER@HOST, vm:NAME, or a directory")
    parser.add_argument("--dry-run", action="store_true", help="say what would move")


def _sync(parser: argparse.ArgumentParser) -> None:
    _peer(parser)
    parser.add_argument("sessions", metavar="ID", nargs="*", help="all of them if left out")


ACTIONS = (
    Action("push", "bring sessions to another instance", _sync),
    Action("pull", "bring sessions of another instance here", _sync),
    Action("sync-archive", "bring archived sessions both ways", _peer),
    Action("send", "write one file of a session, for another instance", _send),
    Action("receive", "take in such a file", _receive),
)
ROWS = (
    Row("heads", "where every session's branches stand", _heads,
        lambda a: Ask("GET", "/v1/heads", "sync.HeadsPage",
                      query={"limit": 1000, "after": a.after})),
)  # fmt: skip


def parse(a: argparse.Namespace) -> Send | Receive | Sync:
    """The request."""
    match a.action:
        case "send":
            return Send(a.session, a.path, a.force)
        case "receive":
            return Receive(a.path, a.dry_run)
        case _:
            return Sync(a.action, a.peer, tuple(getattr(a, "sessions", ())), a.dry_run)


def run(request: Send | Receive | Sync, connection: Connection, output: Output) -> int:
    """Do it; 1 if a session could not be brought."""
    from meso_cli.verbs.session import peers  # noqa: PLC0415 (needs packages)

    here = peers.Here(connection)
    match request:
        case Send(session, path, force):
            done = here.send(naming.session(connection, session), path, force=force)
            if path != "-":
                output.result(done, f"{path}: {done['size']} bytes, sha256 {done['sha256']}")
            return 0
        case Receive(path, dry_run):
            found = here.take(path, dry_run=dry_run)
            output.result(found, received(found))
            return 0
        case Sync():
            if request.what != "pull":
                # Names are those of this side; at the other one an id is an id.
                named = (naming.session(connection, word) for word in request.sessions)
                request = replace(request, sessions=tuple(named))
            return synced(request, here, peers.peer(request.peer, here), output)
        case _:
            assert_never(request)


def synced(request: Sync, here: Peer, there: Peer, output: Output) -> int:
    """Bring what the other side lacks; 1 if a session could not be brought."""
    moved: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="meso-sync-") as place:
        if request.what in ("pull", "sync-archive"):
            moved += _moved(request, there, here, Path(place), "pull")
        if request.what in ("push", "sync-archive"):
            moved += _moved(request, here, there, Path(place), "push")
    failed = [one for one in moved if one["error"]]
    document = {"peer": request.peer, "dry_run": request.dry_run, "sessions": moved}
    text = "\n".join(_told(one, dry_run=request.dry_run) for one in moved)
    output.result(document, text or "nothing to bring: both have everything")
    return 1 if failed else 0


def _moved(
    request: Sync, source: Peer, target: Peer, place: Path, way: str
) -> Iterable[dict[str, Any]]:
    has = {one["session"]: one for one in target.heads()}
    offered = list(source.heads())
    wanted = _chosen(request, offered, "here" if way == "push" else f"at {request.peer}")
    for one in offered:
        ident = one["session"]
        if ident not in wanted:
            continue
        if request.what == "sync-archive" and not one["archived"]:
            continue
        if not _news(one, has.get(ident)):
            continue
        result = _one(source, target, ident, place, dry_run=request.dry_run)
        if result["error"] or result["created"] or result["entries"] or result["branches"]:
            yield {"way": way, **result}


def _chosen(request: Sync, offered: list[dict[str, Any]], where: str) -> set[str]:
    """The ids that are meant; all that are offered where none was named."""
    known = [(one["session"], one["name"]) for one in offered]
    every = {ident for ident, _ in known}
    found = {word: naming.one_of("session", word, known) for word in request.sessions}
    for word, ident in found.items():
        if ident not in every:
            raise CliError("session.not_found", f"there is no session {word} {where}.")
    return set(found.values()) if found else every


def _news(offered: Heads, known: Heads | None) -> bool:
    if known is None:
        return True
    tips = set(known["branches"].values())
    return any(tip is not None and tip not in tips for tip in offered["branches"].values())


def _one(source: Peer, target: Peer, ident: str, place: Path, *, dry_run: bool) -> dict[str, Any]:
    """Bring one session. Another one's error does not hold up the rest."""
    from meso_services.contract.client import CallError  # noqa: PLC0415 (needs packages)

    nothing = {"session": ident, "created": False, "entries": 0, "branches": []}
    found: dict[str, Any] = {**nothing, "error": None}
    try:
        for path in source.files(ident, place):
            part = target.take(str(path), dry_run=dry_run)
            found["created"] = found["created"] or part["created"]
            found["entries"] += part["entries"]
            found["branches"] += part["branches"]
    except CallError as problem:
        found["error"] = {"code": problem.code, "message": problem.info.message}
    except CliError as problem:
        found["error"] = {"code": problem.code, "message": str(problem)}
    return found


def received(found: Heads) -> str:
    """What came with one session."""
    did = "would come" if found["dry_run"] else "came"
    if found["created"]:
        return f"{found['session']}: {did} whole, {found['entries']} entries"
    if not found["entries"] and not found["branches"]:
        return f"{found['session']}: nothing new"
    return "\n".join([f"{found['session']}: {found['entries']} entries {did}", *_branches(found)])


def _told(one: Heads, *, dry_run: bool) -> str:
    if one["error"]:
        return f"{one['way']} {one['session']}: NOT BROUGHT {one['error']['message']}"
    return f"{one['way']} " + received({**one, "dry_run": dry_run})


def _branches(found: Heads) -> list[str]:
    words: Mapping[str, Callable[[Heads], str]] = {
        "new": lambda b: f"  branch {b['name']} is new",
        "forwarded": lambda b: f"  branch {b['name']} goes on",
        "beside": lambda b: f"  branch {b['theirs']} went another way: theirs is {b['name']}",
    }
    return [words[branch["how"]](branch) for branch in found["branches"]]
