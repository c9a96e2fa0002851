"""Branch, switch, merge, checkpoint and restore. Each makes new files and alters none."""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import shutil
import uuid
import zlib
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from meso_cli.adapters.claude_sessions import copying, insights
from meso_cli.adapters.claude_sessions.project import (
    MAIN,
    Branch,
    Checkpoint,
    Memory,
    Project,
    check_name,
)
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.transcripts import claude_layout as layout
from meso_services.transcripts.claude_scan import Scan
from meso_services.transcripts.lines import Record, compact, read

Facts = dict[str, Any]
TRANSCRIPT = "transcript.jsonl"


def branch(  # noqa: PLR0913 (what a branch is asked with)
    project: Project,
    name: str,
    source: str | None,
    at: str | None,
    turn: int | None,
    *,
    dry_run: bool = False,
) -> Facts:
    """A new session that begins as another one up to a place. Raises `claude.*`, `storage.*`."""
    with project.change(keep=not dry_run) as memory:
        check_name(memory, name)
        session = project.current(memory, source)
        found = project.scan(session)
        last, row = copying.cut(found, at, turn)
        facts = {"branch": name, "from": session, "at": row.uuid, "records": last,
                 "dry_run": dry_run}  # fmt: skip
        if dry_run:
            return facts | {"session": None}
        _remember_source(memory, session)
        made = _copy(project, session, last, name, [])
        memory.branches[name] = Branch(made, session, row.uuid, _now())
        memory.head = name
    return facts | {"session": made, "resume": _resume(made)}


def switch(project: Project, name: str) -> Facts:
    """Make a branch the one that `claude --continue` goes on with."""
    with project.change() as memory:
        session = _branch(memory, name).session
        path = project.path(session)
        # The client continues the file that was touched last. Its content stays as it is.
        newest = next(layout.sessions(project.folder)).stat().st_mtime_ns
        stamp = max(newest + 1_000_000, int(datetime.now(UTC).timestamp() * 1e9))
        os.utime(path, ns=(stamp, stamp))
        memory.head = name
    return {"branch": name, "session": session, "resume": _resume(session)}


def merge(
    project: Project, source: str, into: str | None, text: str | None, *, dry_run: bool = False
) -> Facts:
    """Tell a branch what came of another: a new session, which takes over the branch's name."""
    with project.change(keep=not dry_run) as memory:
        theirs = project.current(memory, source)
        ours = project.current(memory, into or _head(memory))
        if theirs == ours:
            raise MesoError("claude.same_branch", "a branch is not merged with itself", status=422)
        mine, other = project.scan(ours), project.scan(theirs)
        known = insights.known_by(project.path(ours), mine)
        new = insights.new_on(other, known)
        facts: Facts = {"into": memory.name_of(ours) or ours, "source": source, "base": new.base,
                        "messages": len(new.rows), "dry_run": dry_run, "session": None}  # fmt: skip
        if not new.rows:
            return facts
        said = text or insights.extract(project.path(theirs), new.rows, source)
        facts["text"] = said
        if dry_run:
            return facts
        name = _remember_source(memory, ours)
        origin = {"sessionId": theirs, "messageUuid": new.rows[-1].uuid, "branch": source}
        told = _message(project.path(ours), mine, said, origin)
        made = _copy(project, ours, mine.rows[-1].number, name, [told])
        before = memory.branches[name]
        memory.branches[name] = Branch(
            made, before.begun_from, before.at, before.made, [*before.earlier, ours]
        )
        memory.head = name
    return facts | {"session": made, "before": ours, "resume": _resume(made)}


def checkpoint(project: Project, label: str, source: str | None, note: str) -> Facts:
    """Keep a session's files as they are now, so that they can be had again whatever happens."""
    with project.change() as memory:
        session = project.current(memory, source)
        found, path = project.scan(session), project.path(session)
        leaf = found.leaf()
        ident = secrets.token_hex(6)
        place = project.own / "checkpoints" / ident
        durable.make_directories(place, mode=0o700)
        try:
            files = {TRANSCRIPT: _pack(path, place / f"{TRANSCRIPT}.gz")}
            for name, one in copying.names_beside(path):
                aim = place / "beside" / f"{name}.gz"
                durable.make_directories(aim.parent, mode=0o700)
                files[f"beside/{name}"] = _pack(one, aim)
        except OSError as problem:
            shutil.rmtree(place, ignore_errors=True)
            raise storage_error(problem, place) from problem
        made = Checkpoint(session, _remember_source(memory, session), label, note,
                          leaf.uuid if leaf else None, len(copying.turns(found)), _now(),
                          files)  # fmt: skip
        memory.checkpoints[ident] = made
    return {"checkpoint": ident, "session": session, "branch": made.branch, "label": label,
            "turns": made.turns, "leaf": made.leaf}  # fmt: skip


def restore(project: Project, ident: str, name: str | None) -> Facts:
    """A new session that is what the checkpoint was. Raises `claude.checkpoint_damaged`."""
    with project.change() as memory:
        kept = _checkpoint(memory, ident)
        wanted = name or _free(memory, f"{kept.branch}-restored")
        check_name(memory, wanted)
        place = project.own / "checkpoints" / ident
        for inner, digest in kept.files.items():
            _verify(place / f"{inner}.gz", digest)
        made = str(uuid.uuid4())
        with copying.opened(place / f"{TRANSCRIPT}.gz") as source:
            body = copying.copied(read(source), copying.ALL, kept.session, made)
            whole = chain(body, [compact(_title(wanted, made))])
            path = copying.write_session(project.folder, made, whole)
        beside = [(inner.removeprefix("beside/"), place / f"{inner}.gz")
                  for inner in kept.files if inner != TRANSCRIPT]  # fmt: skip
        copying.copy_beside(beside, path, kept.session, made)
        memory.branches[wanted] = Branch(made, kept.session, kept.leaf, _now())
        memory.head = wanted
    return {"checkpoint": ident, "branch": wanted, "session": made, "turns": kept.turns,
            "resume": _resume(made)}  # fmt: skip


def drop(project: Project, name: str) -> Facts:
    """Forget a branch's name, or delete a checkpoint. A session's file is never deleted."""
    with project.change() as memory:
        if name in memory.checkpoints:
            del memory.checkpoints[name]
            shutil.rmtree(project.own / "checkpoints" / name, ignore_errors=True)
            return {"checkpoint": name}
        session = _branch(memory, name).session
        del memory.branches[name]
        memory.head = None if memory.head == name else memory.head
    return {"branch": name, "session": session}


def _copy(project: Project, session: str, last: int, name: str, more: list[Record]) -> str:
    path, made = project.path(session), str(uuid.uuid4())
    before = copying.copied(copying.lines_of(path), last, session, made)
    after = (compact({**record, "sessionId": made}) for record in (*more, _title(name, made)))
    target = copying.write_session(project.folder, made, chain(before, after))
    copying.copy_beside(copying.names_beside(path), target, session, made)
    return made


def _title(name: str, session: str) -> Record:
    return {"type": "custom-title", "customTitle": name, "sessionId": session}


def _message(path: Path, found: Scan, text: str, origin: Facts) -> Record:
    """A user's message at the end of a session, with the keys that the client gives its own."""
    leaf = found.leaf()
    record: Record = {
        "parentUuid": leaf.uuid if leaf else None,
        "isSidechain": False,
        "type": "user",
        "message": {"role": "user", "content": text},
        "uuid": str(uuid.uuid4()),
        "timestamp": _now(),
        "userType": "external",
        "cwd": found.cwd,
        "sessionId": found.session,
        "version": found.version,
        "mergedFrom": origin,
    }
    return record


def _remember_source(memory: Memory, session: str) -> str:
    """The name of a session; one that has none yet gets one."""
    name = memory.name_of(session)
    if name is None:
        name = _free(memory, MAIN if MAIN not in memory.branches else f"session-{session[:8]}")
        memory.branches[name] = Branch(session, made=_now())
    return name


def _free(memory: Memory, name: str) -> str:
    number, free = 1, name
    while free in memory.branches:
        number += 1
        free = f"{name}-{number}"
    return free


def _head(memory: Memory) -> str | None:
    return memory.head if memory.head in memory.branches else None


def _branch(memory: Memory, name: str) -> Branch:
    if name not in memory.branches:
        raise MesoError("claude.no_branch", f"there is no branch {name}", status=404,
                        hint="`meso adapter claude-code list` shows them")  # fmt: skip
    return memory.branches[name]


def _checkpoint(memory: Memory, ident: str) -> Checkpoint:
    if ident not in memory.checkpoints:
        raise MesoError("claude.no_checkpoint", f"there is no checkpoint {ident}", status=404,
                        hint="`meso adapter claude-code list` shows them")  # fmt: skip
    return memory.checkpoints[ident]


def _pack(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with (
        source.open("rb") as read,
        target.open("xb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as write,
    ):
        while piece := read.read(1 << 20):
            digest.update(piece)
            write.write(piece)
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    durable.flush_directory(target.parent)
    return digest.hexdigest()


def _verify(path: Path, wanted: str) -> None:
    digest = hashlib.sha256()
    why = ""
    try:
        with gzip.open(path, "rb") as source:
            while piece := source.read(1 << 20):
                digest.update(piece)
        why = "its hash does not match" if digest.hexdigest() != wanted else ""
    except (OSError, EOFError, ValueError, zlib.error) as problem:
        why = str(problem)
    if why:
        raise MesoError("claude.checkpoint_damaged", f"{path}: {why}", status=409,
                        hint="nothing was restored")  # fmt: skip


def _resume(session: str) -> str:
    return f"claude --resume {session}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
