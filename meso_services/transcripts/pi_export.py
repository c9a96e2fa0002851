"""A session of ours as a file that Pi opens. What Pi wrote goes back as it was.

Entries have Pi's form, but what is in a message may be in the words of the Messages API. That is
said in Pi's words, and `meso` in the line keeps what was there, so that importing it again gives
the same entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from meso_services.transcripts import carried, ours
from meso_services.transcripts.kept import Kept, Slot
from meso_services.transcripts.lines import Record, compact, parse
from meso_services.transcripts.pi_words import in_pis_words, results_apart
from meso_services.transcripts.report import Report

VERSION = 3


def lines(kept: Kept, head: str | None, branch: str, report: Report) -> Iterator[bytes]:
    """All lines. `head` is the tip of the branch that is worked on: Pi opens the file there."""
    yield _header(kept)
    foreign, own = _sorted(kept)
    groups = _groups(kept, own)
    changed = 0
    last: Slot | None = None
    for slot in foreign:
        record = kept.record(slot)
        found = carried.foreign(record, carried.PI) or {}
        text = carried.written(record, found)
        yield text if text.endswith(b"\n") or (slot is foreign[-1] and not own) else text + b"\n"
        last = slot
    for slot in own:
        made = list(_entry(kept, slot, groups))
        changed += made[-1][1]
        yield from (_ended(kept, slot, text) for text, _ in made)
        last = slot
    if changed:
        report.say(f"{changed} entries are said in Pi's words; each carries what it was")
    if head is not None and last is not None and not _leads(kept, last.id, head):
        yield _go_on(kept, last, head, branch)
    if kept.damaged:
        report.say(f"{kept.damaged} damaged lines of the session are not exported")


def _ended(kept: Kept, slot: Slot, text: bytes) -> bytes:
    """Without the line feed that the file did not end in, if nothing has come since."""
    whole = kept.imported.get("openEnd") is True and kept.imported.get("lines") == len(kept.slots)
    return text.removesuffix(b"\n") if whole and slot is kept.slots[-1] else text


def _header(kept: Kept) -> bytes:
    raw = kept.imported.get("header")
    if kept.imported.get("format") == carried.PI and isinstance(raw, str):
        before = parse(raw.encode()) or {}
        if all(before.get(name) == kept.header.get(name) for name in ("id", "cwd")):
            return raw.encode() + b"\n"
    found = {name: value for name, value in kept.header.items() if name != ours.OWN}
    return compact({**found, "type": "session", "version": VERSION})


def _sorted(kept: Kept) -> tuple[list[Slot], list[Slot]]:
    foreign: list[tuple[int, int, Slot]] = []
    own: list[Slot] = []
    for slot in kept.slots:
        record = kept.record(slot)
        found = carried.foreign(record, carried.PI)
        copied = isinstance(record.get(ours.OWN), dict) and "copy" in record[ours.OWN]
        if found is None or copied:
            own.append(slot)
        else:
            foreign.append((found["n"], slot.number, slot))
    return [slot for _, _, slot in sorted(foreign, key=lambda one: one[:2])], own


def _groups(kept: Kept, own: list[Slot]) -> dict[str, list[Slot]]:
    """Records of one answer that Claude Code wrote one by one: Pi has one message for them."""
    found: dict[str, list[Slot]] = {}
    for slot in own:
        if slot.kind == "message" and (name := _group(kept.record(slot))) is not None:
            found.setdefault(name, []).append(slot)
    return {name: slots for name, slots in found.items() if len(slots) > 1}


def _group(record: Record) -> str | None:
    found = carried.foreign(record, carried.CLAUDE)
    name = found.get("group") if found else None
    return name if isinstance(name, str) else None


def _entry(kept: Kept, slot: Slot, groups: dict[str, list[Slot]]) -> Iterator[tuple[bytes, bool]]:
    """The lines of an entry, and whether they say it in other words."""
    record = kept.record(slot)
    lines = kept.imported.get("lines")
    from_pi = isinstance(lines, int) and slot.number < lines
    if from_pi or slot.kind != "message" or not isinstance(record.get("message"), dict):
        yield _verbatim(kept, slot), False
        return
    members = groups.get(_group(record) or "", [slot])
    if slot is not members[-1]:
        yield compact(_changed(record, "custom", {"customType": "meso.part"})), True
        return
    message: Record = record["message"]
    if len(members) > 1:
        message = {**message, "content": _joined(kept, members)}
    at = _milliseconds(record.get("timestamp"))
    above = record.get("parentId")
    parts, rest = results_apart(message, at)
    for number, part in enumerate(parts if rest is not None else parts[:-1]):
        ident = ours.made_id(slot.id, "part", number)
        yield compact({"type": "message", "id": ident, "parentId": above,
                       "timestamp": record.get("timestamp", ""), "message": part,
                       ours.OWN: {"export": True}}), True  # fmt: skip
        above = ident
    said = in_pis_words(rest if rest is not None else parts[-1], at)
    if said == record["message"] and above == record.get("parentId"):
        yield _verbatim(kept, slot), False
        return
    yield compact({**_changed(record, "message", {"message": said}), "parentId": above}), True


def _joined(kept: Kept, members: list[Slot]) -> list[Any]:
    content: list[Any] = []
    for slot in members:
        said = kept.record(slot)["message"].get("content")
        content += said if isinstance(said, list) else [{"type": "text", "text": str(said)}]
    return content


def _changed(record: Record, kind: str, data: Record) -> Record:
    """The entry with other data; what it was is in `meso`."""
    base = ("type", "id", "parentId", "timestamp", ours.OWN)
    was = {
        "type": record.get("type"),
        "parentId": record.get("parentId"),
        "data": {name: value for name, value in record.items() if name not in base},
    }
    before = record.get(ours.OWN)
    own = before if isinstance(before, dict) else {}
    return {**ours.entry(kind, str(record["id"]), record.get("parentId"),
                         str(record.get("timestamp", "")), data),
            ours.OWN: {**own, "was": was}}  # fmt: skip


def _verbatim(kept: Kept, slot: Slot) -> bytes:
    kept.file.seek(slot.start)
    return kept.file.read(slot.length)


def _leads(kept: Kept, last: str, head: str) -> bool:
    """True if the last line is on the way that Pi should open."""
    return any(slot.id == head for slot in kept.back(last)) and last in (
        head, *(slot.id for slot in kept.back(head)))  # fmt: skip


def _go_on(kept: Kept, last: Slot, head: str, branch: str) -> bytes:
    at = kept.record(last).get("timestamp", "")
    ident = ours.made_id(head, "opened here", last.id)
    data = {"customType": "meso.head", "data": {"branch": branch}}
    return compact(ours.entry("custom", ident, head, str(at), data, export=True))


def _milliseconds(stamp: object) -> int:
    try:
        return int(datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
