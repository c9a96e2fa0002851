"""Carry transcripts to the session manager and from it, piece by piece."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from meso_cli.output import CliError, Output
from meso_cli.verbs.session.sources import Found, found_in
from meso_cli.verbs.session.transcripts import Export, Import
from meso_services.contract.checkpoints import Piece, PieceReply, Transfer
from meso_services.contract.client import CallError, Connection
from meso_services.contract.exchange import Exported, ExportSession, Imported, ImportSession
from meso_services.contract.snapshots import Nothing
from meso_services.runtime import durable
from meso_services.transcripts import bundle, claude_layout

PIECE = 2 << 20


def bring(connection: Connection, wanted: Import, output: Output) -> int:
    """Import what is named; each transcript whole or not at all. Raises CliError, CallError.

    Of several, one that is refused does not keep the others out; the status says it then.
    """
    sources = found_in(wanted.path, wanted.only)
    if len(sources) == 1:
        made = _bring(connection, sources[0], wanted)
        output.result(made, _told(made))
        return 0
    rows: list[dict[str, Any]] = []
    for source in sources:
        try:
            rows.append({"path": source.name} | _bring(connection, source, wanted))
        except CallError as refused:
            info = refused.info.model_dump(mode="json")
            rows.append({"path": source.name, "error": info})
    failed = [row for row in rows if "error" in row]
    lines = [
        f"{row['path']}: "
        + (f"NOT IMPORTED, {row['error']['message']}" if "error" in row else _told(row))
        for row in rows
    ]
    output.result({"imported": rows}, "\n".join(lines))
    return 1 if failed else 0


def _bring(connection: Connection, source: Found, wanted: Import) -> dict[str, Any]:
    transfer = connection.post("/v1/transfers", Nothing(), Transfer, once=True).transfer
    url = f"/v1/transfers/{transfer}"
    done = False
    try:
        offset = 0
        for raw in _pieces(source.content()):
            piece = Piece(offset=offset, data=base64.b64encode(raw).decode())
            offset = connection.put(url, piece, Transfer).size
        asked = ImportSession(
            format=wanted.format,
            as_new=wanted.as_new,
            name=wanted.name,
            dry_run=wanted.dry_run,
        )
        made = connection.post(f"{url}/session", asked, Imported, once=True)
        done = not wanted.dry_run
    finally:
        if not done:
            connection.delete(url, Transfer)
    return made.model_dump(mode="json")


def _pieces(content: Iterable[bytes]) -> Iterator[bytes]:
    """Of a bounded size each, whatever the sizes of what is given."""
    held = bytearray()
    for part in content:
        held += part
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)


def _told(made: dict[str, Any]) -> str:
    session = made["session"]
    ident = session["id"] if session else made["source"]
    did = "would become" if made["dry_run"] else "was imported before as" if made["before"] else (
        "became")  # fmt: skip
    lines = [f"{made['format']} {made['source']} {did} session {ident}: "
             f"{made['entries']} entries, {made['branches']} branches"]  # fmt: skip
    return "\n".join(lines + _notes(made))


def _notes(made: dict[str, Any]) -> list[str]:
    more = [f"! and {made['more_notes']} more"] if made["more_notes"] else []
    return [f"! {note}" for note in made["notes"]] + more


def export(connection: Connection, wanted: Export, output: Output) -> None:
    """Write a transcript, whole or not at all. Raises CliError, CallError."""
    folder = None if wanted.project is None else _folder(wanted.project)
    cwd = wanted.cwd if folder is None else os.path.realpath(wanted.project or ".")
    asked = ExportSession(
        format="claude-code" if folder is not None else wanted.format,
        session_id=wanted.session_id,
        cwd=cwd,
    )
    url = f"/v1/sessions/{wanted.session}/transcript"
    made = connection.post(url, asked, Exported, once=True)
    try:
        if wanted.path == "-":
            for piece in _fetched(connection, made.transfer):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            print("\n".join(_notes(made.model_dump())), file=sys.stderr)
            return
        target = _target(wanted, made, folder)
        files = _write(connection, made, target, force=wanted.force and folder is None)
    finally:
        connection.delete(f"/v1/transfers/{made.transfer.transfer}", Transfer)
    document = made.model_dump(mode="json", exclude={"transfer"}) | {"files": files}
    lines = [f"{files[0]}: {made.entries} entries for {made.format}", *files[1:]]
    if folder is not None:
        lines.append(f"go on with, in {cwd}:\n  claude --resume {made.session_id}")
    output.result(document, "\n".join(lines + _notes(document)))


def _folder(project: Path) -> Path:
    if not project.is_dir():
        raise CliError("cli.no_directory", f"{project} is no directory.")
    config = claude_layout.config_directory(os.environ)
    folder = config / "projects" / claude_layout.project_name(project)
    if len(folder.name) >= claude_layout.MOST_NAME:
        return claude_layout.project_folder(config, project)
    durable.make_directories(folder, mode=0o700)
    return folder


def _target(wanted: Export, made: Exported, folder: Path | None) -> Path:
    suffix = "json" if made.format == "goose" else "jsonl"
    name = f"{made.session_id}.{suffix}"
    if folder is not None:
        return folder / name
    given = Path(wanted.path) if wanted.path else Path()
    return given / name if given.is_dir() else given


def _write(connection: Connection, made: Exported, target: Path, *, force: bool) -> list[str]:
    """The transcript's files; those beside it first, so that it appears when all is there."""
    if target.exists() and not force:
        hint = "Give it another id with --session-id." if made.format == "claude-code" else (
            "Use --force, or another name.")  # fmt: skip
        raise CliError("cli.file_exists", f"{target} is there already.", hint=hint)
    aside = target.with_name(f".{secrets.token_hex(8)}.new")
    try:
        _fetch(connection, made.transfer, aside)
        with aside.open("rb") as source:
            parts = bundle.segments(source) if made.format == "claude-code" else []
            beside = [_beside(source, part, target, force=force) for part in parts[1:]]
        if len(parts) > 1:
            os.truncate(aside, parts[1].mark.start if parts[1].mark else parts[1].start)
        with aside.open("rb") as source:
            os.fsync(source.fileno())
        aside.chmod(0o600)
        if force:
            aside.replace(target)
        else:
            os.link(aside, target)
        durable.flush_directory(target.parent)
    except FileExistsError as there:
        raise CliError("cli.file_exists", f"{there.filename2 or target} is there already.",
                       hint="Give it another id or name.") from there  # fmt: skip
    except OSError as error:
        raise CliError("cli.file_unwritable", f"{target}: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)
    return [str(target), *beside]


def _beside(source: BinaryIO, part: bundle.Segment, target: Path, *, force: bool) -> str:
    path = claude_layout.beside(target) / (part.path or "")
    durable.make_directories(path.parent, mode=0o700)
    if part.content is not None:
        content = part.content
    else:
        source.seek(part.start)
        content = source.read(part.end - part.start)
    durable.write(path, content, mode=0o600, replace=force)
    return str(path)


def _fetch(connection: Connection, transfer: Transfer, target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("xb") as out:
        for piece in _fetched(connection, transfer):
            digest.update(piece)
            out.write(piece)
    if digest.hexdigest() != transfer.sha256:
        raise CliError("transfer.damaged", "what came is not what was sent.", hint="Try again.")


def _fetched(connection: Connection, transfer: Transfer) -> Iterator[bytes]:
    offset: int | None = 0
    while offset is not None:
        piece = connection.get(f"/v1/transfers/{transfer.transfer}", PieceReply, offset=offset)
        yield base64.b64decode(piece.data)
        offset = piece.next
