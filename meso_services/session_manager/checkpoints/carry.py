"""A checkpoint as one file that holds everything: the entries, the memory, the workspace.

Compressed JSON lines. The first says what it is and holds the checkpoint, the last a hash over all
lines before it. An empty appliance can restore from it; nothing is taken in before the whole of
it has been verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meso_services.contract import checkpoints as wire
from meso_services.contract.workspaces import BundlePiece
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries, packed
from meso_services.session_manager.checkpoints.make import Neighbours, chain
from meso_services.session_manager.checkpoints.shelf import MOST_BLOB, damaged, hash_of
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import Draft, SessionFile
from meso_services.session_manager.index.index import chained
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tree.walk import Walker

KIND = "meso-checkpoint"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass
class Carried:
    """What a file holds, verified. Entries and bytes stay in it until they are taken."""

    checkpoint: wire.Checkpoint
    header: dict[str, Any] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    # Bytes of the workspace's bundle that have been seen, and whether that was all.
    workspace: int = 0
    workspace_whole: bool = True


def export(around: Neighbours, ident: str, target: Path, *, files: bool = True) -> None:
    """Write a checkpoint with everything in it, its workspace only with `files`.

    Raises `checkpoint.*`, `workspace.*`, `storage.*`.
    """
    found = around.shelf.get(ident)
    packed.write(target, _lines(around, found, files=files))


def _lines(around: Neighbours, found: wire.Checkpoint, *, files: bool) -> Iterator[dict[str, Any]]:
    yield {"kind": KIND, "format": wire.FORMAT, "checkpoint": found.model_dump(mode="json")}
    session = around.store.get(found.session.session_id)
    yield {"part": "session", "header": session.header}
    tip = session.node(found.meso.tip) if found.meso.tip else None
    if chain(tip) != found.meso.chain:
        raise damaged(found.checkpoint_id, "the session's entries are not what they were")
    way = list(Walker(session).back(tip))[::-1]
    for line in session.lines(way):
        yield {"part": "entry", "line": _record(line)}
    memory = found.memory_snapshot
    for digest in sorted({file.hash for file in memory.files} if memory else ()):
        if digest in around.shelf.purged:
            yield {"part": "purged", "hash": digest}
            continue
        data = base64.b64encode(around.shelf.bytes(digest)).decode()
        yield {"part": "memory", "hash": digest, "data": data}
    if files and found.meso.workspace is not None:
        branch, snapshot = found.session.branch_name, found.meso.workspace
        for piece in around.workspaces.bundle(session.id, branch, snapshot):
            yield {"part": "workspace", "piece": piece.model_dump(mode="json")}


def bring(around: Neighbours, source: Path) -> tuple[wire.Checkpoint, bool]:
    """Take in a file; and whether the checkpoint was here before.

    The session is made if it is not here. If it is, and has other entries, those of the checkpoint
    become a branch beside them. Raises `checkpoint.damaged`, `checkpoint.exists`, `storage.*`.
    """
    carried = _verified(source)
    made = carried.checkpoint
    before = any(row.checkpoint_id == made.checkpoint_id
                 for row in around.shelf.rows().checkpoints)  # fmt: skip
    if before and around.shelf.get(made.checkpoint_id).hash != made.hash:
        raise MesoError(
            "checkpoint.exists",
            f"there is another checkpoint {made.checkpoint_id}",
            status=409,
            hint="delete that one first, if you want this one",
        )
    around.workspaces.unbundle(_pieces(source))
    _session(around.store, carried, source)
    with around.shelf.lock:
        for line in _read(source):
            if line.get("part") == "purged":
                # A file from elsewhere must not remove what is here.
                if not around.shelf.has(line["hash"]):
                    around.shelf.purge([line["hash"]])
            elif line.get("part") == "memory":
                around.shelf.put(base64.b64decode(line["data"]))
        return around.shelf.keep(made), before


def look(source: Path) -> wire.Checkpoint:
    """Verify a file and take nothing in. Raises `checkpoint.damaged`."""
    return _verified(source).checkpoint


def _verified(source: Path) -> Carried:
    """Read all of it once and believe nothing. Raises `checkpoint.damaged`."""
    lines = _read(source)
    carried = _first(next(lines, {}), source)
    chained_now, last = b"", b""
    for line in lines:
        match line.get("part"):
            case "session" if isinstance(line.get("header"), dict):
                carried.header = line["header"]
            case "entry":
                entry = entries.parse_entry(entries.encode(line.get("line") or {}))
                if entry is None:
                    raise damaged(source.name, "a line of the session is no entry")
                chained_now = chained(chained_now, entry.id)
                last = entry.id.encode()
            case "memory" | "purged":
                carried.blobs.add(_blob(line, source))
            case "workspace":
                _workspace(carried, _piece(line, source), source)
            case _:
                raise damaged(source.name, f"unknown part {line.get('part')!r}")
    if (
        last.decode() != (carried.checkpoint.meso.tip or "")
        or (chained_now.hex() if last else chain(None)) != carried.checkpoint.meso.chain
    ):
        raise damaged(source.name, "its entries are not those of the checkpoint")
    _check_whole(carried, source)
    return carried


def _check_whole(carried: Carried, source: Path) -> None:
    """Everything that the checkpoint names is there. Raises `checkpoint.damaged`."""
    made = carried.checkpoint
    if carried.header.get("id") != made.session.session_id:
        raise damaged(source.name, "its session is not that of the checkpoint")
    if not carried.workspace_whole:
        raise damaged(source.name, "files of the workspace are missing")
    needed = {file.hash for file in made.memory_snapshot.files} if made.memory_snapshot else set()
    if needed - carried.blobs:
        raise damaged(source.name, "files of the memory are missing")


def _first(line: dict[str, Any], source: Path) -> Carried:
    if line.get("kind") != KIND:
        raise damaged(source.name, "it is no exported checkpoint")
    if line.get("format") != wire.FORMAT:
        raise damaged(source.name, f"its format is {line.get('format')}, not {wire.FORMAT}")
    try:
        made = wire.Checkpoint.model_validate(line.get("checkpoint"))
    except ValidationError as problem:
        raise damaged(source.name, "its first line holds no checkpoint") from problem
    if made.hash != hash_of(made):
        raise damaged(source.name, "its hash does not match")
    return Carried(made)


def _blob(line: dict[str, Any], source: Path) -> str:
    if line["part"] == "purged" and _HASH.fullmatch(str(line.get("hash"))):
        return str(line["hash"])
    try:
        raw = base64.b64decode(str(line.get("data", "")), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise damaged(source.name, "bytes of its memory are not base64") from problem
    digest = hashlib.sha256(raw).hexdigest()
    if digest != line.get("hash") or len(raw) > MOST_BLOB:
        raise damaged(source.name, "bytes of its memory are not what they were")
    return digest


def _piece(line: dict[str, Any], source: Path) -> BundlePiece:
    try:
        return BundlePiece.model_validate(line.get("piece"))
    except ValidationError as problem:
        raise damaged(source.name, "its workspace cannot be read") from problem


def _workspace(carried: Carried, piece: BundlePiece, source: Path) -> None:
    """The pieces of one snapshot, the checkpoint's own, each after the one before."""
    made = carried.checkpoint
    mine = (piece.session, piece.snapshot) == (made.session.session_id, made.meso.workspace)
    begun = piece.offset == 0 or not carried.workspace_whole
    if not mine or not begun or piece.offset != carried.workspace:
        raise damaged(source.name, "the files of its workspace are not in order")
    try:
        carried.workspace += len(base64.b64decode(piece.data, validate=True))
    except ValueError as problem:
        raise damaged(source.name, "bytes of its workspace are not base64") from problem
    carried.workspace_whole = piece.last


def _pieces(source: Path) -> Iterator[BundlePiece]:
    for line in _read(source):
        if line.get("part") == "workspace":
            yield _piece(line, source)


def _read(source: Path) -> Iterator[dict[str, Any]]:
    return packed.read(source, damaged)


def _session(store: SessionStore, carried: Carried, source: Path) -> None:
    ident = carried.checkpoint.session.session_id
    try:
        session = store.get(ident)
    except MesoError as problem:
        if problem.code != "session.not_found":
            raise
        header = {**carried.header, "version": entries.VERSION}
        store.take_in(header, (entries.entry_line(line) for line in _entries(source)))
        return
    _beside(session, carried.checkpoint, list(_entries(source)))


def _beside(session: SessionFile, made: wire.Checkpoint, lines: Sequence[Line]) -> None:
    """Add what a session lacks of a checkpoint's entries, as a branch of its own."""

    def plan(state: State) -> Sequence[Draft]:
        new = [line for line in lines if session.index.find(session.n, line.id) is None]
        if not new:
            return []
        session.check_open()
        name = f"imported-{made.checkpoint_id[:8]}"
        while name in state.refs:
            name += "-again"
        kept = ("copy", "merged")
        return [
            Draft(line.type, line.data, line.parent,
                  {**{k: v for k, v in line.own.items() if k in kept}, "branch": name,
                   **({"pending": True} if line is not new[-1] else {"synced": True})},
                  line.timestamp, ident=line.id)
            for line in new
        ]  # fmt: skip

    session.change(plan)


def _entries(source: Path) -> Iterator[Line]:
    for part in _read(source):
        if part.get("part") == "entry":
            line = entries.parse_entry(entries.encode(part["line"]))
            if line is not None:
                yield line


def _record(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entries.entry_line(line))
    return found
