"""What came of a branch, in words: a deterministic extract of what only it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from meso_services.transcripts.claude_scan import Row, Scan, text_of
from meso_services.transcripts.lines import Record, parse

ASKED = 600
FOUND = 3000
MOST = 24_000
WRITERS = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})


@dataclass
class New:
    """What a branch has that another has not: `rows`, after the common `base`."""

    base: str | None
    rows: list[Row]


@dataclass
class _Turn:
    asked: str
    found: str = ""
    files: list[str] = field(default_factory=list)


def known_by(path: Path, scan: Scan) -> set[str]:
    """Uuids that the session of `path` has or that were merged into it before."""
    known = set(scan.by_uuid)
    with path.open("rb") as source:
        for row in scan.rows:
            source.seek(row.start)
            record = parse(source.read(row.length)) if row.prompt else None
            merged = record.get("mergedFrom") if record else None
            if isinstance(merged, dict) and isinstance(merged.get("messageUuid"), str):
                known.add(merged["messageUuid"])
    return known


def new_on(branch: Scan, known: set[str]) -> New:
    """What a branch's conversation has after the newest message that is known."""
    chain = branch.chain(branch.leaf())
    shared = [place for place, row in enumerate(chain) if row.uuid in known]
    first = shared[-1] + 1 if shared else 0
    base = chain[shared[-1]].uuid if shared else None
    return New(base, [row for row in chain[first:] if row.spoken])


def extract(path: Path, rows: list[Row], name: str) -> str:
    """What was asked, what was answered last, and the files that were written, turn by turn."""
    made: list[_Turn] = []
    with path.open("rb") as source:
        for row in rows:
            source.seek(row.start)
            record = parse(source.read(row.length))
            if record is not None:
                _take(made, row, record)
    parts = [_told(turn) for turn in made]
    kept: list[str] = []
    for part in reversed(parts):
        if kept and sum(map(len, kept)) + len(part) > MOST:
            break
        kept.insert(0, part)
    left = len(parts) - len(kept)
    head = f"What came of the branch `{name}` ({len(made)} turns), which is merged here:"
    more = [f"({left} earlier turns are left out.)"] if left else []
    return "\n\n".join([head, *more, *kept])


def _take(made: list[_Turn], row: Row, record: Record) -> None:
    said = text_of(record).strip()
    if row.prompt:
        if said:
            made.append(_Turn(_short(said, ASKED)))
        return
    if not made:
        made.append(_Turn("(the request is in what both have)"))
    if row.kind == "assistant" and said:
        made[-1].found = _short(said, FOUND)
    message = record.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("name") in WRITERS:
            given = block.get("input")
            where = given.get("file_path") if isinstance(given, dict) else None
            if isinstance(where, str) and where not in made[-1].files:
                made[-1].files.append(where)


def _told(turn: _Turn) -> str:
    lines = [f"Asked: {turn.asked}"]
    if turn.found:
        lines.append(f"Answered: {turn.found}")
    if turn.files:
        lines.append(f"Wrote: {', '.join(turn.files)}")
    return "\n".join(lines)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
