"""A session of ours as a Claude Code transcript.

A record that came from there goes back as it was. What came from elsewhere becomes records that
the client understands, and each carries the entry it was made of (`meso`), so that importing it
again gives the same entry. What the client has no record for stands in records of the type
`meso-entry`, which it skips.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from meso_services.transcripts import carried, ours
from meso_services.transcripts.claude_layout import is_session_id
from meso_services.transcripts.claude_scan import CHAINED, OURS
from meso_services.transcripts.claude_words import message as message_of
from meso_services.transcripts.claude_words import with_good_ids
from meso_services.transcripts.kept import Kept, Slot
from meso_services.transcripts.lines import Record, compact
from meso_services.transcripts.report import Report

Block = dict[str, Any]
# Role and blocks of what a model sees of an entry, in the words of the Messages API.
Said = Callable[[Record], tuple[str, list[Block]] | None]
NAMESPACE = uuid.UUID("6d65736f-6f73-4000-8000-636c61756465")
VERSION = "2.1.0"


@dataclass
class _Out:
    kept: Kept
    session: str
    said: Said
    report: Report
    cwd: str
    anchors: dict[str, str | None] = field(default_factory=dict)
    aside: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def session_id(kept: Kept) -> str:
    """The id to export under: the one it was imported with, its own, or one made of that."""
    for known in (kept.imported.get("session"), kept.header.get("id")):
        if isinstance(known, str) and is_session_id(known):
            return known
    return str(uuid.uuid5(NAMESPACE, str(kept.header.get("id"))))


@dataclass(frozen=True)
class Wanted:
    """What to write: under which id, for which directory. `head` is the tip of the branch that
    the client should go on with.
    """

    session: str
    head: str | None
    said: Said
    cwd: str | None = None
    # The head is where the transcript itself ended, so its own order tells the client.
    as_it_was: bool = False


def lines(kept: Kept, wanted: Wanted, report: Report) -> Iterator[bytes]:
    """All lines; those of further files stand after a line that names the file (see `bundle`)."""
    cwd = wanted.cwd or str(kept.header.get("cwd", ""))
    out = _Out(kept, wanted.session, wanted.said, report, cwd)
    foreign, own = _sorted(out)
    if not foreign or kept.imported.get("header") is True:
        header = {name: value for name, value in kept.header.items() if name != ours.OWN}
        yield compact({"type": OURS, "sessionId": out.session, "header": header})
    places = [slot for slot, _ in foreign]
    unmoved = wanted.as_it_was and not own
    last = None if unmoved else _last(out, wanted.head, places, own)
    following = bool(own) or last is not None
    for place, (slot, file) in enumerate(foreign):
        if not file:
            ends = place + 1 == len(foreign) and not following
            yield _again(out, slot, ends=ends)
    for slot in own:
        yield from _native(out, slot)
    if last is not None:
        # Once more at the end: the client goes on from the last message in the file.
        yield from _repeat(out, last)
    for place, (slot, file) in enumerate(foreign):
        if file:
            yield _again(out, slot, ends=place + 1 == len(foreign))
    _tell(out)


def _sorted(out: _Out) -> tuple[list[tuple[Slot, str]], list[Slot]]:
    """Entries that were records before, in their order there; and all others."""
    foreign: list[tuple[str, int, int, Slot]] = []
    own: list[Slot] = []
    for slot in out.kept.slots:
        record = out.kept.record(slot)
        found = carried.foreign(record, carried.CLAUDE)
        copied = ours.OWN in record and record[ours.OWN].get("copy") is not None
        if found is None or copied:
            own.append(slot)
            continue
        foreign.append((found.get("file", ""), found["n"], slot.number, slot))
        chained = carried.record_of(record, found) or {}
        named = chained.get("uuid") if chained.get("type") in CHAINED else None
        above = out.anchors.get(slot.parent or "")
        out.anchors[slot.id] = named if isinstance(named, str) else above
    foreign.sort(key=lambda one: one[:3])
    # The bytes are read again when they are written: only places are held.
    return [(slot, file) for file, _, _, slot in foreign], own


def _again(out: _Out, slot: Slot, *, ends: bool) -> bytes:
    """A record as it was; under another id if the session has another one now.

    Only what `ends` the transcript may lack a line feed.
    """
    entry = out.kept.record(slot)
    found = carried.foreign(entry, carried.CLAUDE) or {}
    record = carried.record_of(entry, found)
    before = out.kept.imported.get("session")
    if out.session == before or record is None or record.get("sessionId") in (None, out.session):
        text = carried.written(entry, found)
        return text if text.endswith(b"\n") or ends else text + b"\n"
    return compact({**record, "sessionId": out.session})


def _last(out: _Out, head: str | None, foreign: list[Slot], own: list[Slot]) -> Slot | None:
    """The message that the head's branch ends in, if others would stand behind it."""
    places = {slot.id: place for place, slot in enumerate([*foreign, *own])}
    spoken = [slot for slot in out.kept.back(head) if _speaks(out, slot)][:1]
    if not spoken:
        return None
    later = [*foreign, *own][places[spoken[0].id] + 1 :]
    return spoken[0] if any(_speaks(out, slot) for slot in later) else None


def _speaks(out: _Out, slot: Slot) -> bool:
    if slot.kind not in ("message", "custom_message", "branch_summary", "compaction"):
        return False
    record = out.kept.record(slot)
    found = carried.foreign(record, carried.CLAUDE)
    if found is not None:
        before = carried.record_of(record, found) or {}
        beside = found.get("file") or before.get("isSidechain") is True
        return not beside and before.get("isMeta") is not True
    said = out.said(record)
    return said is not None and said[0] != "system" and bool(said[1])


def _native(out: _Out, slot: Slot) -> Iterator[bytes]:
    """The records of an entry that was none before."""
    entry = out.kept.record(slot)
    above = out.anchors.get(slot.parent or "")
    if slot.kind == "session_info" and isinstance(entry.get("name"), str):
        out.anchors[slot.id] = above
        yield compact({"type": "custom-title", "customTitle": entry["name"],
                       "sessionId": out.session, ours.OWN: {"entry": entry}})  # fmt: skip
        return
    if slot.kind == "compaction":
        yield from _compaction(out, slot, entry, above)
        return
    said = _words(out, entry)
    if said is None:
        out.anchors[slot.id] = above
        out.aside[slot.kind] += 1
        yield compact({"type": OURS, "sessionId": out.session, "entry": entry})
        return
    role, blocks = said
    yield from _records(out, slot, entry, role, blocks, above)


def _records(  # noqa: PLR0913, PLR0917 (what makes up a record)
    out: _Out, slot: Slot, entry: Record, role: str, blocks: list[Block], above: str | None
) -> Iterator[bytes]:
    """One record for each block of an answer, one for everything that a user says."""
    pieces = [[block] for block in blocks] if role == "assistant" else [blocks]
    for place, content in enumerate(pieces):
        own = {"entry": entry} if place == 0 else {"of": slot.id}
        message = message_of(entry, slot.id, role, content, last=place + 1 == len(pieces))
        made = _uuid(out, slot.id, place)
        yield compact(_record(out, slot, role, made, above, message) | {ours.OWN: own})
        above = made
    out.anchors[slot.id] = above


def _words(out: _Out, entry: Record) -> tuple[str, list[Block]] | None:
    """What a model sees of an entry, as far as Anthropic's API takes it."""
    said = out.said(entry)
    if said is None or said[0] == "system":
        return None
    message = entry.get("message")
    foreign_model = isinstance(message, dict) and str(message.get("provider", "anthropic")) not in (
        "anthropic", "loopback")  # fmt: skip
    blocks = []
    for block in said[1]:
        if foreign_model and block.get("type") in ("thinking", "redacted_thinking"):
            out.dropped["thinking of another provider"] += 1
            continue
        blocks.append(with_good_ids(block))
    return (said[0], blocks) if blocks else None


def _record(  # noqa: PLR0913, PLR0917 (what makes up a record)
    out: _Out, slot: Slot, role: str, ident: str, above: str | None, message: Record
) -> Record:
    entry_time = out.kept.record(slot).get("timestamp", "")
    return {
        "parentUuid": above,
        "isSidechain": False,
        "type": role,
        "message": message,
        "uuid": ident,
        "timestamp": entry_time,
        "userType": "external",
        "cwd": out.cwd,
        "sessionId": out.session,
        "version": VERSION,
        "gitBranch": "",
    }


def _compaction(out: _Out, slot: Slot, entry: Record, above: str | None) -> Iterator[bytes]:
    """A boundary, the summary, and what was kept from before it, once more."""
    boundary, told = _uuid(out, slot.id, 0), _uuid(out, slot.id, 1)
    before = entry.get("tokensBefore")
    tokens = before if isinstance(before, int) else 0
    mark = _record(out, slot, "system", boundary, None, {})
    del mark["message"]
    yield compact({**mark, "logicalParentUuid": above, "subtype": "compact_boundary",
                   "content": "Conversation compacted", "level": "info",
                   "compactMetadata": {"trigger": "manual", "preTokens": tokens},
                   ours.OWN: {"entry": entry}})  # fmt: skip
    summary = {"role": "user", "content": str(entry.get("summary", ""))}
    yield compact({**_record(out, slot, "user", told, boundary, summary),
                   "isCompactSummary": True, "isVisibleInTranscriptOnly": True,
                   ours.OWN: {"of": slot.id}})  # fmt: skip
    out.anchors[slot.id] = told
    for one in _still(out, slot, entry):
        yield from _repeat(out, one, of=slot.id, above=out.anchors[slot.id])


def _still(out: _Out, slot: Slot, entry: Record) -> list[Slot]:
    """What a compaction keeps of what came before it, oldest first."""
    first = entry.get("firstKeptEntryId")
    found: list[Slot] = []
    for one in out.kept.back(slot.parent):
        found.append(one)
        if one.id == first:
            return found[::-1]
    return []


def _repeat(
    out: _Out, slot: Slot, of: str | None = None, above: str | None = None
) -> Iterator[bytes]:
    """An entry's words under new uuids: `of` a compaction, or at the end of the file."""
    entry = out.kept.record(slot)
    said = _words(out, entry)
    if said is None:
        return
    anchor = above if of is not None else out.anchors.get(slot.parent or "")
    role, blocks = said
    pieces = [[block] for block in blocks] if role == "assistant" else [blocks]
    for place, content in enumerate(pieces):
        made = _uuid(out, f"{slot.id}/{of or 'last'}", place)
        message = message_of(entry, slot.id, role, content, last=place + 1 == len(pieces))
        if role == "assistant":
            # Another answer than the one that it repeats.
            message["id"] = f"{message['id'][:-1]}r"
        own = {"of": of or slot.id}
        yield compact(_record(out, slot, role, made, anchor, message) | {ours.OWN: own})
        anchor = made
    out.anchors[of or slot.id] = anchor


def _uuid(out: _Out, ident: str, place: int) -> str:
    if place == 0 and is_session_id(ident):
        return ident
    return str(uuid.uuid5(NAMESPACE, f"{out.kept.header.get('id')}/{ident}/{place}"))


def _tell(out: _Out) -> None:
    if out.aside:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(out.aside.items()))
        out.report.say(f"{out.aside.total()} entries that Claude Code has no record for ({kinds}) "
                       "are carried in records of the type meso-entry")  # fmt: skip
    for what, count in out.dropped.items():
        out.report.say(f"{count} times {what} is only in what the records carry; the model is not "
                       "sent it")  # fmt: skip
    if out.kept.damaged:
        out.report.say(f"{out.kept.damaged} damaged lines of the session are not exported")
