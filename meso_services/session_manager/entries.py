"""One line of a session file: how it is made, checked and read. Pi's format, version 3."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from meso_services.contract.session import Entry
from meso_services.runtime.errors import MesoError

VERSION = 3
# Keys of a line that are the session's own; what else stands in it is the entry's data.
OWN_KEYS = frozenset({"id", "parentId", "timestamp", "type", "meso"})
ID_LENGTHS = (8, 16, 64)
MAX_ID = 256

# What an entry of a known type must carry. Types that are not listed pass as they are.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "message": ("message",),
    "model_change": ("provider", "modelId"),
    "compaction": ("summary", "firstKeptEntryId", "tokensBefore"),
    "context_edit": ("targetId",),
    "branch_summary": ("fromId", "summary"),
    "custom_message": ("customType", "content"),
    "label": ("targetId",),
    "session_info": ("name",),
}
# Keys of known types whose value is the id of another entry of the same session.
REFERENCES = ("firstKeptEntryId", "targetId", "fromId")


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line. `own` is what the session manager noted in it under `meso`.

    `own` may hold `key` (the idempotency key), `branch` (whose tip the line became, where it does
    not follow from the parent), `merged` (ids of further parents) and `copy` (the id of the
    entry that this one repeats).
    """

    id: str
    parent: str | None
    type: str
    timestamp: str
    data: dict[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str | None:
        """The idempotency key that it was appended with."""
        return _text(self.own.get("key"))

    @property
    def branch(self) -> str | None:
        """The branch that it says it belongs to."""
        return _text(self.own.get("branch"))

    @property
    def merged(self) -> tuple[str, ...]:
        """Ids of its parents besides the first."""
        found = self.own.get("merged")
        return tuple(i for i in found if isinstance(i, str)) if isinstance(found, list) else ()

    @property
    def copy_of(self) -> str | None:
        """The entry that it repeats."""
        return _text(self.own.get("copy"))

    @property
    def entry(self) -> Entry:
        """As a caller sees it."""
        more: dict[str, Any] = {}
        if self.merged:
            more["merged"] = self.merged
        if self.copy_of:
            more["copy_of"] = self.copy_of
        return Entry(
            id=self.id,
            parent_id=self.parent,
            type=self.type,
            timestamp=self.timestamp,
            data=self.data,
            **more,
        )


def now() -> str:
    """The time as session files write it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(text: object) -> str:
    """Text of another program as an answer can carry it: half a character becomes `?`."""
    return str(text).encode(errors="replace").decode()


def encode(value: Mapping[str, Any]) -> bytes:
    """One JSON line. ASCII only, so that no reader splits it on another line separator."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def entry_line(line: Line) -> bytes:
    """The line that stands in the file."""
    record: dict[str, Any] = {
        "type": line.type,
        "id": line.id,
        "parentId": line.parent,
        "timestamp": line.timestamp,
        **line.data,
    }
    if line.own:
        # In the entry's own line: key and entry become durable in the same instant.
        record["meso"] = dict(line.own)
    return encode(record)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} could not be written as JSON again")
    return number


def parse_record(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in `raw`, or None if it is none."""
    try:
        record = json.loads(raw, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def parse_entry(raw: bytes) -> Line | None:
    """The entry in `raw`, or None if it is not one."""
    record = parse_record(raw)
    if record is None:
        return None
    ident, kind = record.get("id"), record.get("type")
    parent, at = record.get("parentId"), record.get("timestamp", "")
    if not (isinstance(ident, str) and isinstance(kind, str) and isinstance(at, str)):
        return None
    if not 0 < len(ident) <= MAX_ID or kind == "session" or not isinstance(parent, str | None):
        return None
    # Half a character in an id: no client could ask for it.
    if not f"{ident}{kind}{at}{parent}".isascii() and any(
        shown(text) != text for text in (ident, kind, at, parent or "")
    ):
        return None
    own = record.get("meso")
    for name in OWN_KEYS:
        record.pop(name, None)
    return Line(ident, parent, kind, at, record, own if isinstance(own, dict) else {})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def content_id(line: Line, length: int) -> str:
    """An id made from everything else in the entry, the ids of its parents included."""
    content: dict[str, Any] = {
        "parent_id": line.parent,
        "type": line.type,
        "timestamp": line.timestamp,
        "data": line.data,
    }
    if line.merged:
        content["merged"] = line.merged
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def check_data(kind: str, data: Mapping[str, Any]) -> None:
    """Refuse data that would make a line other programs cannot read."""
    if kind == "session":
        raise _invalid("the type `session` is the file's first line; append entries only")
    if taken := sorted(OWN_KEYS & data.keys()):
        raise _invalid(f"data.{taken[0]}: this key belongs to the session itself")
    for name in REQUIRED.get(kind, ()):
        if name not in data:
            raise _invalid(f"data.{name}: an entry of type {kind} needs it")
    if kind == "message":
        message = data["message"]
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _invalid("data.message.role: a message needs a role, for example `user`")


def _invalid(message: str) -> MesoError:
    return MesoError("entry.invalid", message, status=422)


def named(name: str, timestamp: str) -> Line:
    """The entry by which a new session gets its name."""
    draft = Line("", None, "session_info", timestamp, {"name": name})
    ident = content_id(draft, ID_LENGTHS[0])
    return Line(ident, None, "session_info", timestamp, {"name": name})
