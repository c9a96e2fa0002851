"""A session as one file, to be taken in by another instance.

The first line says what it is, holds the session's header and its branches; then every entry in
the order of the file. Variables are each instance's own: their records travel empty, under their
ids, so that the ways over them stay whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from meso_services.contract.common import JsonObject, Message
from meso_services.contract.session import BranchName, EntryId, SessionId
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import entries, packed, records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.file import SessionFile

KIND, FORMAT = "meso-session", 1
PAGE = 1000
# What only the instance that wrote a line can use.
HERE_ONLY = frozenset({"key", "asked"})
EMPTIED = frozenset({records.STATE, records.RESTORE})


class First(Message):
    """What the first line says, besides what it is."""

    session: SessionId
    name: str | None
    archived: bool
    header: JsonObject
    refs: dict[BranchName, EntryId | None]
    entries: int = Field(ge=0)


@dataclass(frozen=True)
class Parcel:
    """What a file holds, verified. Its entries stay in it until they are taken."""

    session: str
    name: str | None
    archived: bool
    header: dict[str, Any]
    refs: Mapping[str, str | None]
    entries: int
    source: Path

    def lines(self) -> Iterator[Line]:
        """The entries, in the order of the file that they come from."""
        for part in packed.read(self.source, refuse):
            if part.get("part") == "entry":
                yield _line(part, self.source)


def write(session: SessionFile, target: Path) -> None:
    """Write the session as it is now. Raises `storage.*`."""
    with session.lock:
        state = session.state
        first = {
            "kind": KIND,
            "format": FORMAT,
            "session": session.id,
            "name": state.name,
            "archived": session.archived,
            "header": _header(session.header),
            "refs": dict(state.refs),
            "entries": state.count,
        }
    packed.write(target, _parts(session, first))


def _parts(session: SessionFile, first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield first
    seq, count = -1, first["entries"]
    while seq < count - 1:
        with session.lock:
            session.check_current()
            nodes = session.index.after(session.n, seq, min(PAGE, count - 1 - seq))
        if not nodes:
            return
        for line in session.lines(nodes):
            yield {"part": "entry", "line": json.loads(entries.entry_line(carried(line)))}
        seq = nodes[-1].seq


def carried(line: Line) -> Line:
    """A line as it travels."""
    own = {name: value for name, value in line.own.items() if name not in HERE_ONLY}
    data = line.data
    if records.kind_of(line.type, data) in EMPTIED:
        facts = {k: v for k, v in records.facts(data).items() if k not in ("set", "unset")}
        data = {**data, "data": facts}
    return Line(line.id, line.parent, line.type, line.timestamp, data, own)


def opened(source: Path) -> Parcel:
    """Read all of it once and believe nothing. Raises `transfer.damaged`."""
    lines = packed.read(source, refuse)
    raw = next(lines, {})
    if raw.get("kind") != KIND:
        raise refuse(source.name, "it is no session of another instance")
    if raw.get("format") != FORMAT:
        raise refuse(source.name, f"its format is {raw.get('format')}, not {FORMAT}")
    try:
        first = First.model_validate({k: v for k, v in raw.items() if k not in ("kind", "format")})
    except ValidationError as problem:
        raise refuse(source.name, f"its first line: {problem.errors()[0]['msg']}") from problem
    if first.header.get("id") != first.session:
        raise refuse(source.name, "its session is not that of its header")
    tips = {tip for tip in first.refs.values() if tip is not None}
    count = 0
    for part in lines:
        tips.discard(_line(part, source).id)
        count += 1
    if tips or count > first.entries:
        raise refuse(source.name, "its branches are not those of its entries")
    return Parcel(
        first.session, first.name, first.archived, first.header, first.refs, count, source
    )


def _line(part: dict[str, Any], source: Path) -> Line:
    record = part.get("line")
    line = entries.parse_entry(entries.encode(record)) if isinstance(record, dict) else None
    if line is None:
        raise refuse(source.name, "one of its lines is no entry")
    return line


def _header(header: dict[str, Any]) -> dict[str, Any]:
    own = header.get("meso")
    if not isinstance(own, dict):
        return dict(header)
    kept = {name: value for name, value in own.items() if name not in HERE_ONLY}
    rest = {name: value for name, value in header.items() if name != "meso"}
    return {**rest, "meso": kept} if kept else rest


def refuse(name: str, reason: str) -> MesoError:
    """A file that cannot be trusted."""
    return MesoError(
        "transfer.damaged",
        f"{name}: {reason}",
        status=409,
        hint="send it again; nothing of it was taken in",
    )
