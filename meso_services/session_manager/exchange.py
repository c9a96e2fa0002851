"""Transcripts of other agents become sessions, and sessions become transcripts.

A transcript is looked through first and taken in as one piece: a session is there whole or not at
all. The formats themselves are in `meso_services.transcripts`.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from meso_services.contract.exchange import (
    Exported,
    ExportSession,
    Imported,
    ImportSession,
    Transcript,
)
from meso_services.contract.session import CreateSession
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.session_manager import entries
from meso_services.session_manager.entries import Line
from meso_services.session_manager.model.parts import Block, said
from meso_services.session_manager.state import MAIN, State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.transfers import Transfers
from meso_services.transcripts import (
    claude_export,
    claude_import,
    goose,
    kept,
    pi_export,
    pi_import,
)
from meso_services.transcripts.claude_scan import OURS
from meso_services.transcripts.kept import Kept
from meso_services.transcripts.lines import Record, too_deep
from meso_services.transcripts.recognise import recognise
from meso_services.transcripts.report import Report

_ID = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MOST_CWD = 1024
MOST_HEADER = 32 << 10


@dataclass
class _Found:
    """A transcript that was looked through: what its header says, and its lines of ours."""

    format: Transcript
    source: str
    header: Record
    lines: Iterable[bytes]


def bring(store: SessionStore, path: Path, wanted: ImportSession) -> Imported:
    """Take a transcript in. Raises `import.*`, `session.exists`, `storage.*`; then nothing was."""
    report = Report()
    with path.open("rb") as file:
        found = _look(file, wanted.format, report)
        digest = _digest(path)
        if (before := _again(store, found, digest, wanted)) is not None:
            return before
        header = _header(store, found, digest, wanted)
        state = State()
        lines = _checked(found.lines, state, wanted.name)
        described = None
        if wanted.dry_run:
            for _ in lines:
                pass
        else:
            described = store.take_in(header, lines).describe()
    return Imported(
        format=found.format,
        session=described,
        source=entries.shown(found.source),
        entries=state.count,
        branches=len(state.refs),
        notes=tuple(report.notes),
        more_notes=report.count - len(report.notes),
        before=False,
        dry_run=wanted.dry_run,
    )


def _look(file: BinaryIO, asked: str, report: Report) -> _Found:
    name = recognise(file) if asked == "auto" else asked
    match name:
        case "pi":
            pi = pi_import.look(file, report)
            head = {k: v for k, v in pi.header.items() if k != "meso"}
            head["meso"] = {"imported": pi_import.facts(pi)}
            return _Found("pi", str(pi.header.get("id", "")), head, pi_import.entries(pi))
        case "claude-code":
            claude = claude_import.look(file, report)
            main = claude.main
            if not main.by_uuid and not any(row.kind == OURS for row in main.rows):
                raise pi_import.unknown("it has no record of Claude Code's with a uuid")
            made: Record = {"timestamp": _first_time(claude), "cwd": main.cwd}
            source = main.session or ""
            if _may_be_header(main.header):
                made = {n: v for n, v in (main.header or {}).items() if n != "meso"}
                source = str(made.get("id", source))
            made["meso"] = {"imported": {"session": main.session}}
            if main.header is not None:
                # The header is a record of its own when this goes back.
                made["meso"]["imported"]["header"] = True
            ours = map(entries.encode, claude_import.entries(claude))
            return _Found("claude-code", source, made, ours)
        case _:
            session = goose.read(file)
            stamp = session.get("created_at")
            made = {"timestamp": stamp, "cwd": session.get("working_dir")}
            ours = map(entries.encode, goose.entries(session, report))
            return _Found("goose", str(session.get("id", "")), made, ours)


def _may_be_header(found: Record | None) -> bool:
    return found is not None and not too_deep(found) and len(entries.encode(found)) < MOST_HEADER


def _first_time(source: claude_import.Source) -> str:
    for row in source.main.rows:
        if row.uuid is not None:
            source.file.seek(row.start)
            record = entries.parse_record(source.file.read(row.length)) or {}
            return str(record.get("timestamp", ""))
    return ""


def _header(
    store: SessionStore, found: _Found, digest: str, wanted: ImportSession
) -> dict[str, Any]:
    fresh = store.header(CreateSession())
    given = {name: value for name, value in found.header.items() if name != "meso"}
    for name in ("timestamp", "cwd"):
        value = given.get(name)
        if not isinstance(value, str) or not value or len(value) > MOST_CWD:
            given[name] = fresh[name]
    ident = found.source
    if wanted.as_new or not _ID.fullmatch(ident):
        ident = str(uuid.uuid4())
    before = found.header.get("meso", {}).get("imported", {})
    origin = {"format": found.format, "session": found.source[:256], "sha256": digest,
              "at": entries.now(), **before}  # fmt: skip
    return {**given, "type": "session", "version": entries.VERSION, "id": ident,
            "meso": {"imported": origin}}  # fmt: skip


def _again(
    store: SessionStore, found: _Found, digest: str, wanted: ImportSession
) -> Imported | None:
    """What was imported before from the same bytes. Raises `session.exists`."""
    if wanted.as_new or not _ID.fullmatch(found.source):
        return None
    try:
        session = store.get(found.source)
    except MesoError as problem:
        if problem.code != "session.not_found":
            raise
        return None
    own = session.header.get("meso")
    origin = own.get("imported") if isinstance(own, dict) else None
    if not isinstance(origin, dict) or origin.get("sha256") != digest:
        raise MesoError(
            "session.exists",
            f"there is a session {found.source} already, and this transcript is another one",
            status=409,
            hint="import it as a new session (--as-new)",
        )
    facts = session.describe()
    return Imported(format=found.format, session=facts, source=found.source,
                    entries=facts.entries, branches=facts.branches, notes=(), more_notes=0,
                    before=True, dry_run=wanted.dry_run)  # fmt: skip


def _checked(lines: Iterable[bytes], state: State, name: str | None) -> Iterator[bytes]:
    """The lines, each of which the store can read; and at last the name that was asked for."""
    for raw in lines:
        line = entries.parse_entry(raw)
        if line is None:
            found = {"line": raw[:200].decode(errors="replace")}
            raise MesoError("import.invalid", "a line became no entry; this is a defect",
                            status=500, detail=found)  # fmt: skip
        state.add(line)
        yield raw
    if state.count == 0:
        raise pi_import.unknown("there is nothing in it")
    if name is not None:
        data = {"name": name}
        draft = Line("", state.leaf, "session_info", entries.now(), data)
        line = Line(entries.content_id(draft, 16), *_rest(draft), {"branch": state.head})
        state.add(line)
        yield entries.entry_line(line)


def _rest(line: Line) -> tuple[str | None, str, str, dict[str, Any]]:
    return line.parent, line.type, line.timestamp, line.data


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def export(
    store: SessionStore, transfers: Transfers, ident: str, wanted: ExportSession
) -> Exported:
    """Make a transcript of a session. Raises `session.not_found`, `export.*`, `storage.*`."""
    session = store.get(ident)
    with session.lock:
        state = session.state
        size, head, branch = state.size, state.leaf, state.head
        file = session.path.open("rb")
    report = Report()
    target = transfers.fresh()
    try:
        with file, target.open("xb") as out:
            found = kept.look(file, size)
            name, lines = _written(found, wanted, head, branch, report)
            out.writelines(lines)
    except OSError as problem:
        target.unlink(missing_ok=True)
        raise storage_error(problem, target) from problem
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Exported(transfer=transfers.ready(target), format=wanted.format, session_id=name,
                    entries=len(found.slots), notes=tuple(report.notes),
                    more_notes=report.count - len(report.notes))  # fmt: skip


def _written(
    found: Kept, wanted: ExportSession, head: str | None, branch: str, report: Report
) -> tuple[str, Iterator[bytes]]:
    match wanted.format:
        case "pi":
            if wanted.cwd is not None:
                found.header["cwd"] = wanted.cwd
            return found.header["id"], pi_export.lines(found, head, branch, report)
        case "claude-code":
            name = wanted.session_id or claude_export.session_id(found)
            asked = claude_export.Wanted(name, head, _said, wanted.cwd, as_it_was=branch == MAIN)
            return name, claude_export.lines(found, asked, report)
        case _:
            return found.header["id"], goose.document(found, head, _said, report)


def _said(record: Record) -> tuple[str, list[Block]] | None:
    data = {name: value for name, value in record.items() if name not in entries.OWN_KEYS}
    parent = record.get("parentId")
    return said(Line(str(record["id"]), parent if isinstance(parent, str) else None,
                     str(record["type"]), str(record.get("timestamp", "")), data))  # fmt: skip
