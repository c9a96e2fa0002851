"""A Claude Code transcript as entries of ours, each with the record that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from meso_services.transcripts import bundle, ours
from meso_services.transcripts.carried import CLAUDE, FOREIGN, carry
from meso_services.transcripts.claude_plan import MAIN, Plan, plan
from meso_services.transcripts.claude_scan import OURS, UNREAD, Row, Scan
from meso_services.transcripts.lines import Raw, Record, parse, too_deep
from meso_services.transcripts.report import Report

Made = list[tuple[str, Record]]
CARRIER = {"customType": CLAUDE}
# What belongs to no place of the conversation moves no branch.
ASIDE = {"branch": MAIN, "pending": True}


@dataclass
class Source:
    """A transcript that was looked through once. Records are read again when they are needed."""

    file: BinaryIO
    parts: list[tuple[bundle.Segment, Scan]]
    report: Report

    @property
    def main(self) -> Scan:
        """The session's own file."""
        return self.parts[0][1]


@dataclass
class _State:
    taken: set[str] = field(default_factory=set)
    repeats: int = 0
    ids: dict[int, str | None] = field(default_factory=dict)
    newest: str | None = None
    time: str = ""
    last_of_group: dict[str, int] = field(default_factory=dict)


def look(file: BinaryIO, report: Report) -> Source:
    """Read all of it once. Raises `import.*`."""
    parts = []
    for segment in bundle.segments(file):
        found = Scan()
        if segment.content is None:
            for raw in bundle.lines(file, segment):
                found.add(raw, parse(raw.text))
        for number in found.unread:
            report.line(number, f"no JSON object; kept as it is{_where(segment)}")
        for number in found.doubled:
            report.line(number, f"its uuid stands twice; it got another id{_where(segment)}")
        parts.append((segment, found))
    return Source(file, parts, report)


def entries(source: Source) -> Iterator[Record]:
    """All entries, a parent before its children. What was repaired is in the report."""
    state, names = _State(), {MAIN}
    for segment, found in source.parts:
        state.ids, state.last_of_group = {}, {}
        for row in found.rows:
            if row.group:
                state.last_of_group[row.group] = row.number
        if segment.mark is not None:
            yield _mark(segment, state)
        made = plan(found, source.report, names, beside=segment.path is not None)
        for row in made.order:
            yield from _entry(source, segment, made, row, state)
    if state.repeats:
        source.report.say(f"{state.repeats} records repeat entries that are there already")


def _mark(segment: bundle.Segment, state: _State) -> Record:
    """The further file itself, so that its name is kept even where it is empty."""
    if segment.mark is None:
        raise ValueError("the session's own file has no mark")
    kept: Record = {"format": CLAUDE, "n": 0, "file": segment.path}
    # The record of a file that is nothing but content is the line that named it.
    kept["record"] = parse(segment.mark.text) or {}
    ident = ours.made_id("file", segment.path)
    state.taken.add(ident)
    data = {**CARRIER, FOREIGN: kept}
    return ours.entry("custom", ident, state.newest, state.time, data, **ASIDE)


def _entry(
    source: Source, segment: bundle.Segment, made: Plan, row: Row, state: _State
) -> Iterator[Record]:
    raw, record = _read(source, row, state)
    parent_number = made.parents.get(row.number)
    parent = state.ids.get(parent_number) if parent_number is not None else None
    branch = made.branches[row.number]
    if record is not None and row.kind == OURS and "header" in record:
        return
    if record is not None and (whole := _native(record, state)) is not None:
        state.ids[row.number] = whole["id"]
        if branch == MAIN and row.uuid is not None:
            state.newest = whole["id"]
        yield whole
        return
    if row.uuid is None:
        parent = state.newest
    if (part := _part_of(record, state)) is not None:
        # A further record of an entry that is there already: our own export wrote it.
        state.repeats += 1
        state.ids[row.number] = part
        return
    ident = _ident(row, raw, segment, state)
    kind, data = _data(row, record, ident, state, source.report)
    if kind == "compaction":
        data |= _kept(made, row, state)
    kept = carry(CLAUDE, raw, record, message=data.get("message"))
    if segment.path is not None:
        kept["file"] = segment.path
    if row.group:
        kept["group"] = row.group
    state.ids[row.number] = ident
    if branch == MAIN and row.uuid is not None:
        state.newest = ident
    own = ASIDE if row.uuid is None else {"branch": branch}
    yield ours.entry(kind, ident, parent, state.time, {**data, FOREIGN: kept}, **own)


def _read(source: Source, row: Row, state: _State) -> tuple[Raw, Record | None]:
    source.file.seek(row.start)
    raw = Raw(row.number, row.start, source.file.read(row.length))
    record = parse(raw.text) if row.kind != UNREAD else None
    if record is not None and ours.good_text(at := record.get("timestamp")):
        state.time = str(at)
    return raw, record


def _kept(made: Plan, row: Row, state: _State) -> Record:
    """What a compaction's boundary says, where there is one."""
    if row.number not in made.summaries:
        return {}
    tokens, first = made.summaries[row.number]
    kept = state.ids.get(first) if first is not None else None
    return {"tokensBefore": tokens} | ({"firstKeptEntryId": kept} if kept is not None else {})


def _ident(row: Row, raw: Raw, segment: bundle.Segment, state: _State) -> str:
    ident = row.uuid
    if ident is None or not ours.good_id(ident) or ident in state.taken:
        ident = ours.made_id(segment.path, row.number, raw.text.decode(errors="replace"))
    while ident in state.taken:
        ident = ours.made_id(ident)
    state.taken.add(ident)
    return ident


def _native(record: Record, state: _State) -> Record | None:
    """An entry that our own export put into a record, as it was."""
    carried = record.get(ours.OWN)
    found = record.get("entry") if record.get("type") == OURS else None
    if found is None and isinstance(carried, dict):
        found = carried.get("entry")
    if not isinstance(found, dict) or not ours.good_id(found.get("id")) or too_deep(found):
        return None
    parent = found.get("parentId")
    strings = (found.get("type"), found.get("timestamp", ""))
    if not all(ours.good_text(one) for one in strings) or found["type"] == "session":
        return None
    if found["id"] in state.taken or not ours.sound_record(found):
        return None
    if parent is not None and parent not in state.taken:
        return None
    own = ours.own_of(found)
    merged = [one for one in own.get("merged", ()) if one in state.taken]
    kept = {name: value for name, value in own.items() if name != "merged"}
    whole = {name: value for name, value in found.items() if name != ours.OWN}
    if merged:
        kept["merged"] = merged
    state.taken.add(found["id"])
    return {**whole, ours.OWN: kept} if kept else whole


def _part_of(record: Record | None, state: _State) -> str | None:
    carried = record.get(ours.OWN) if record is not None else None
    of = carried.get("of") if isinstance(carried, dict) else None
    return of if isinstance(of, str) and of in state.taken else None


def _data(  # noqa: PLR0911 (a kind each)
    row: Row, record: Record | None, ident: str, state: _State, report: Report
) -> tuple[str, Record]:
    """The type of the entry and what is in it."""
    if record is None:
        return "custom", dict(CARRIER)
    if too_deep(record):
        report.line(row.number, "nested too deep for a model to be shown; kept as it is")
        return "custom", dict(CARRIER)
    message = record.get("message")
    match row.kind:
        case "user" if record.get("isCompactSummary") is True and row.uuid is not None:
            return "compaction", _compaction(record, ident)
        case "user" | "assistant" if isinstance(message, dict) and row.uuid is not None:
            if message.get("role") == row.kind:
                return "message", {"message": _counted_once(row, message, state)}
        case "attachment" if (said := _queued(record)) is not None:
            return "custom_message", {**CARRIER, "content": said, "display": True}
        case "custom-title" if isinstance(record.get("customTitle"), str):
            return "session_info", {"name": record["customTitle"]}
        case _:
            pass
    return "custom", dict(CARRIER)


def _counted_once(row: Row, message: Record, state: _State) -> Record:
    """The message; each record of one answer repeats its usage, which counts only once."""
    if row.group is None or state.last_of_group.get(row.group) == row.number:
        return message
    if "usage" not in message:
        return message
    return {name: value for name, value in message.items() if name != "usage"}


def _compaction(record: Record, ident: str) -> Record:
    message = record.get("message")
    content = message.get("content") if isinstance(message, dict) else ""
    if isinstance(content, list):
        texts = (block.get("text") for block in content if isinstance(block, dict))
        content = "\n".join(text for text in texts if isinstance(text, str))
    # Nothing from before is kept: Pi says so by the entry's own id.
    summary = content if isinstance(content, str) else ""
    return {"summary": summary, "firstKeptEntryId": ident, "tokensBefore": 0}


def _queued(record: Record) -> str | None:
    """A request that was typed while the model was at work."""
    attachment: Any = record.get("attachment")
    if isinstance(attachment, dict) and attachment.get("type") == "queued_command":
        prompt = attachment.get("prompt")
        return prompt if isinstance(prompt, str) and prompt.strip() else None
    return None


def _where(segment: bundle.Segment) -> str:
    return f" (of {segment.path})" if segment.path else ""
