"""What hangs together in a Claude Code transcript: read once, kept in a few words a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from meso_services.transcripts.lines import Raw, Record, parse

# Types that are linked to each other. All others stand alone.
CHAINED = frozenset({"user", "assistant", "attachment", "system", "progress"})
SPOKEN = frozenset({"user", "assistant"})
# What our own export adds: entries, and the header, that the client has no record for.
OURS = "meso-entry"
# Stands in place of the type of a line that is no record.
UNREAD = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a compaction's boundary says: how many tokens there were, and which messages before it
    stay (`head` to `tail`): they follow the summary `anchor`, whatever their own links say.
    """

    tokens: int
    head: str | None
    anchor: str | None
    tail: str | None


@dataclass(slots=True)
class Row:
    """One record: where it is and what it is linked to. `number` counts lines from 1.

    `placed` is one of our own export, whose links say all.
    """

    number: int
    start: int
    length: int
    kind: str
    uuid: str | None
    parent: str | None
    logical: str | None
    group: str | None
    calls: tuple[str, ...]
    results: tuple[str, ...]
    agent: str | None
    aside: bool
    meta: bool
    prompt: bool
    placed: bool
    folded: Folded | None

    @property
    def spoken(self) -> bool:
        """True for a message of the conversation itself."""
        return self.kind in SPOKEN and not self.aside and not self.meta


@dataclass
class Scan:
    """A transcript's rows in the order of the file; `by_uuid` has the first of each uuid."""

    rows: list[Row] = field(default_factory=list)
    by_uuid: dict[str, Row] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    session: str | None = None
    title: str | None = None
    cwd: str | None = None
    version: str | None = None
    header: Record | None = None
    _parents: set[str] = field(default_factory=set)

    def add(self, raw: Raw, record: Record | None) -> Row | None:
        """Take a line into account; None if it is no record of this format."""
        if record is None or not isinstance(record.get("type"), str):
            if raw.text.strip():
                self.unread.append(raw.number)
            self.rows.append(row(raw, {"type": UNREAD}))
            return None
        made = row(raw, record)
        self.rows.append(made)
        if made.uuid is not None:
            if made.uuid in self.by_uuid:
                self.doubled.append(raw.number)
            else:
                self.by_uuid[made.uuid] = made
            if made.parent is not None:
                self._parents.add(made.parent)
        for name, key in (("session", "sessionId"), ("cwd", "cwd"), ("version", "version")):
            if getattr(self, name) is None and isinstance(record.get(key), str):
                setattr(self, name, record[key])
        if made.kind == OURS and self.header is None and isinstance(record.get("header"), dict):
            self.header = record["header"]
        if made.kind == "custom-title" and isinstance(record.get("customTitle"), str):
            self.title = record["customTitle"]
        return made

    def leaf(self) -> Row | None:
        """Where the conversation goes on: the last message in the file that ends a chain."""
        best: Row | None = None
        ends: dict[str, Row | None] = {}
        for made in self.by_uuid.values():
            if made.uuid in self._parents:
                continue
            end = self._speaker(made, ends)
            if end is not None and (best is None or end.number > best.number):
                best = end
        return best

    def _speaker(self, terminal: Row, known: dict[str, Row | None]) -> Row | None:
        """The newest message on the way from a record to its root; each step is made once."""
        passed: list[str] = []
        found: Row | None = None
        for one in self.back(terminal):
            if one.uuid in known or one.spoken:
                found = known.get(one.uuid or "", one) if not one.spoken else one
                break
            passed.append(one.uuid or "")
        known.update(dict.fromkeys(passed, found))
        return found

    def back(self, row: Row | None, *, logical: bool = False) -> Iterator[Row]:
        """The way to the root, newest first; `logical` goes on before a compaction."""
        seen: set[str] = set()
        while row is not None and row.uuid is not None and row.uuid not in seen:
            seen.add(row.uuid)
            yield row
            following = row.parent or (row.logical if logical else None)
            row = self.by_uuid.get(following) if following else None

    def chain(self, leaf: Row | None) -> list[Row]:
        """The conversation up to `leaf` in the order of the file, parallel results included.

        The results of tools that ran at the same time hang each on its own call, and the
        conversation goes on from one of them: the others are no ancestors of what follows.
        """
        way = list(self.back(leaf, logical=True))
        groups = {one.group for one in way if one.group}
        calls = {call for one in self.rows if one.group in groups for call in one.calls}
        last = leaf.number if leaf else 0
        chosen = {one.number: one for one in way}
        for one in self.rows:
            in_group = one.group in groups and one.kind == "assistant"
            if in_group or (calls.intersection(one.results) and one.number <= last):
                chosen.setdefault(one.number, one)
        return [chosen[number] for number in sorted(chosen)]


def scan(lines: Iterable[Raw]) -> Scan:
    """Read all lines. Raises what `lines` raises."""
    found = Scan()
    for raw in lines:
        found.add(raw, parse(raw.text))
    return found


def row(raw: Raw, record: Record) -> Row:
    """One record's facts, whatever is wrong with the rest of it."""
    kind = record["type"]
    message = record.get("message")
    blocks = list(_blocks(message))
    uuid = _text(record.get("uuid")) if kind in CHAINED else None
    results = _ids(blocks, "tool_result", "tool_use_id") if kind == "user" else ()
    return Row(
        number=raw.number,
        start=raw.start,
        length=len(raw.text),
        kind=kind,
        uuid=uuid,
        parent=_text(record.get("parentUuid")),
        logical=_text(record.get("logicalParentUuid")),
        group=_group(record) if kind == "assistant" else None,
        calls=_ids(blocks, "tool_use", "id") if kind == "assistant" else (),
        results=results,
        agent=_text(record.get("agentId")),
        aside=record.get("isSidechain") is True,
        meta=record.get("isMeta") is True,
        prompt=kind == "user" and not results and record.get("isCompactSummary") is not True,
        placed=isinstance(record.get("meso"), dict),
        folded=_folded(record) if record.get("subtype") == "compact_boundary" else None,
    )  # fmt: skip


def text_of(record: Record) -> str:
    """What a record says in words."""
    message = record.get("message")
    if isinstance(message, dict) and isinstance(message.get("content"), str):
        return str(message["content"])
    parts = (block.get("text") for block in _blocks(message) if block.get("type") == "text")
    return "\n".join(part for part in parts if isinstance(part, str))


def _blocks(message: object) -> Iterator[dict[str, Any]]:
    content = message.get("content") if isinstance(message, dict) else None
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield block


def _folded(record: Record) -> Folded:
    found = record.get("compactMetadata")
    facts: Record = found if isinstance(found, dict) else {}
    kept = facts.get("preservedSegment")
    segment: Record = kept if isinstance(kept, dict) else {}
    names = (_text(segment.get(name)) for name in ("headUuid", "anchorUuid", "tailUuid"))
    tokens = facts.get("preTokens")
    return Folded(tokens if isinstance(tokens, int) else 0, *names)


def _group(record: Record) -> str | None:
    """One answer of a model, which stands in a record for each of its blocks."""
    message = record.get("message")
    name = _text(message.get("id")) if isinstance(message, dict) else None
    if name is None:
        return None
    asked = _text(record.get("requestId")) or _text(record.get("requestRef"))
    return f"{name}/{asked}" if asked else name


def _ids(blocks: list[dict[str, Any]], kind: str, key: str) -> tuple[str, ...]:
    return tuple(
        block[key]
        for block in blocks
        if block.get("type") == kind and isinstance(block.get(key), str)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
