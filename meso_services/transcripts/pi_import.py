"""A file of Pi's as entries of ours, which have Pi's own form: most lines stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from meso_services.runtime.errors import MesoError
from meso_services.transcripts import ours
from meso_services.transcripts.carried import FOREIGN, PI, carry
from meso_services.transcripts.lines import Raw, Record, compact, parse, read, too_deep
from meso_services.transcripts.order import ordered
from meso_services.transcripts.report import Report

VERSION = 3
MOST_FORKS = 1000
REST = "others"
CARRIER = {"customType": PI}


@dataclass(slots=True)
class _Row:
    """One line. `why` says what is wrong with it; only such lines are carried."""

    number: int
    start: int
    length: int
    id: str
    parent: str | None
    why: str


@dataclass
class Source:
    """A file that was looked through once. `clean` says that every line can stay as it is, and
    `plain` that none was written by our own export.
    """

    file: BinaryIO
    header: Record
    raw_header: Raw
    version: int
    report: Report
    rows: list[_Row] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    parents: dict[int, int | None] = field(default_factory=dict)
    forks: int = 0
    clean: bool = True
    plain: bool = True
    open_end: bool = False


def look(file: BinaryIO, report: Report) -> Source:
    """Read all of it once. Raises `import.*`."""
    found: Source | None = None
    previous: str | None = None
    for raw in read(file):
        record = parse(raw.text)
        if found is None:
            found = Source(file, _header(raw, record), raw, _version(record or {}), report)
            continue
        found.open_end = not raw.text.endswith(b"\n")
        if not raw.text.strip() and found.version < VERSION:
            continue
        found.plain = found.plain and (record is None or ours.OWN not in record)
        previous = _take(found, raw, record, previous)
    if found is None:
        raise unknown("the file is empty")
    if found.version < VERSION:
        report.say(f"brought from Pi's version {found.version} to {VERSION}, as Pi does")
    _link(found)
    return found


def facts(source: Source) -> Record:
    """What the session's header keeps, so that the file can be written again byte for byte."""
    if source.version < VERSION:
        return {}
    made: Record = {"header": source.raw_header.text.rstrip(b"\r\n").decode()}
    if source.clean and source.plain:
        made |= {"lines": len(source.rows), "openEnd": source.open_end}
    return made


def entries(source: Source) -> Iterator[bytes]:
    """All lines, a parent before its children."""
    if source.clean:
        yield from _as_they_are(source)
        return
    numbers = [row.number for row in source.rows]
    by_number = {row.number: row for row in source.rows}

    def cut(number: int) -> None:
        by_number[number].why = "its ancestors form a cycle, which is cut here"
        source.report.line(number, by_number[number].why)

    order = list(ordered(numbers, source.parents, cut))
    tips: dict[int, str] = {}
    names: set[str] = set()
    branches: dict[int, str] = {}
    for place, number in enumerate(order):
        parent = source.parents[number]
        name = branches.get(parent) if parent is not None else None
        if name is None or tips.get(number if parent is None else parent) != name:
            name = _branch(names, place)
        elif parent is not None:
            del tips[parent]
        branches[number], tips[number] = name, name
        # The last line says no branch, so that it becomes the one that is worked on.
        labelled = None if place + 1 == len(order) else name
        yield compact(_line(source, by_number[number], labelled))


def _as_they_are(source: Source) -> Iterator[bytes]:
    for row in source.rows:
        source.file.seek(row.start)
        text = source.file.read(row.length)
        record = parse(text) or {}
        if source.version < VERSION:
            record = _migrated(source, row, record)
        elif ours.OWN not in record:
            yield text if text.endswith(b"\n") else text + b"\n"
            continue
        whole = restored(record)
        if whole is not None:
            yield compact(whole)


def restored(record: Record) -> Record | None:
    """A line of our own export as it was before; None for what only the export added."""
    found = record.get(ours.OWN)
    own: Record = found if isinstance(found, dict) else {}
    if own.get("export") is True:
        return None
    was = own.get("was")
    kept = {name: value for name, value in record.items() if name != ours.OWN}
    if (
        isinstance(was, dict)
        and isinstance(was.get("type"), str)
        and isinstance(was.get("data"), dict)
    ):
        base: Record = {name: record[name] for name in ("type", "id", "parentId", "timestamp")
                if name in record}  # fmt: skip
        parent = was.get("parentId", record.get("parentId"))
        if was["type"] != "session" and isinstance(parent, str | None):
            kept = {**base, "type": was["type"], "parentId": parent, **was["data"]}
    mine = ours.own_of(record)
    return {**kept, ours.OWN: mine} if mine else kept


def _header(raw: Raw, record: Record | None) -> Record:
    if record is None or record.get("type") != "session":
        raise unknown("its first line is no header of Pi's")
    if too_deep(record):
        raise unknown("its first line is nested deeper than any header of Pi's")
    version = record.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise MesoError(
            "import.unsupported_version",
            f"the file is of Pi's version {str(version)[:40]}; {VERSION} and older are known",
            status=422,
        )
    if len(raw.text) > 32 << 10:
        raise MesoError("import.header_too_long", "the first line is longer than 32 KiB",
                        status=422)  # fmt: skip
    return record


def _version(header: Record) -> int:
    return int(header.get("version", 1))


def unknown(why: str) -> MesoError:
    """The file is not of this format."""
    return MesoError(
        "import.unknown_format",
        f"this is no transcript that can be imported: {why}",
        status=422,
        hint="known are files of Pi, Claude Code and Goose; --format says which it is",
    )


def _take(found: Source, raw: Raw, record: Record | None, previous: str | None) -> str | None:
    """Take a line into account; returns the id that a line without parent follows."""
    why = _fault(found, raw, record)
    ident = str(record["id"]) if record is not None and not why and "id" in record else ""
    if found.version == 1:
        ident = ""
    made = ident
    if not ident or ident in found.lines:
        made = ours.made_id(found.header.get("id"), raw.number, raw.text.decode(errors="replace"))
        why = why or ("" if found.version == 1 else "its id stands twice; it got another one")
    parent: Any = record.get("parentId") if record is not None else None
    if found.version == 1 or (why and not ident):
        parent = previous
    row = _Row(raw.number, raw.start, len(raw.text), made,
               parent if ours.good_id(parent) else None, why)  # fmt: skip
    if parent is not None and not ours.good_id(parent):
        row.why = row.why or "its parent is no id; it begins a tree of its own"
    found.rows.append(row)
    found.lines.setdefault(made, raw.number)
    found.ids[raw.number] = made
    if row.why:
        found.clean = False
        found.report.line(raw.number, row.why)
    return made


def _fault(  # noqa: PLR0911 (a fault each)
    found: Source, raw: Raw, record: Record | None
) -> str:
    if record is None:
        return "no JSON object; kept as it is" if raw.text.strip() else "empty; kept as it is"
    if not ours.good_text(record.get("type")) or record["type"] == "session":
        return "no entry's type; kept as it is"
    if not ours.good_text(record.get("timestamp", "")):
        return "its time is no text; kept as it is"
    if found.version > 1 and not ours.good_id(record.get("id")):
        return "no id; kept as it is"
    if too_deep(record):
        return "nested too deep to be shown; kept as it is"
    if not ours.sound_record(record):
        return "says something of MESO's that makes no sense; kept as it is"
    return ""


def _link(found: Source) -> None:
    """Parents by their lines; whether they stand in order, and how many branches begin."""
    tips: set[int] = set()
    for row in found.rows:
        above = found.lines.get(row.parent) if row.parent is not None else None
        if row.parent is not None and above is None:
            row.why = row.why or f"its parent {row.parent} is missing; it begins a tree of its own"
            found.report.line(row.number, f"its parent {row.parent[:80]} is missing; it begins a "
                              "tree of its own")  # fmt: skip
        found.clean = found.clean and not row.why and (above is None or above < row.number)
        found.parents[row.number] = above
        found.forks += above not in tips
        if above is not None:
            tips.discard(above)
        tips.add(row.number)
    found.clean = found.clean and found.forks <= MOST_FORKS


def _line(source: Source, row: _Row, branch: str | None) -> Record:
    source.file.seek(row.start)
    raw = Raw(row.number, row.start, source.file.read(row.length))
    record = parse(raw.text)
    parent = source.ids.get(source.parents[row.number] or 0)
    whole: Record | None = None
    if record is not None and not _fault(source, raw, record):
        record = _migrated(source, row, record) if source.version < VERSION else record
        whole = restored(record)
    data: Record = dict(CARRIER) if whole is None else {
        name: value for name, value in whole.items()
        if name not in ("type", "id", "parentId", "timestamp", ours.OWN)
    }  # fmt: skip
    own = dict(whole[ours.OWN]) if whole is not None and ours.OWN in whole else {}
    if branch is not None:
        own["branch"] = branch
    if source.version == VERSION:
        data[FOREIGN] = carry(PI, raw, record)
    kind = str(whole["type"]) if whole is not None else "custom"
    at = str(whole.get("timestamp", "")) if whole is not None else ""
    made = ours.entry(kind, row.id, parent, at, data)
    return {**made, ours.OWN: own} if own else made


def _migrated(source: Source, row: _Row, record: Record) -> Record:
    """An entry of version 1 or 2 as one of version 3."""
    made = dict(record)
    if source.version == 1:
        above = source.parents[row.number]
        made["id"] = row.id
        made["parentId"] = source.ids[above] if above is not None else None
        index = made.pop("firstKeptEntryIndex", None) if made.get("type") == "compaction" else None
        if isinstance(index, int) and 0 < index <= len(source.rows):
            made["firstKeptEntryId"] = source.rows[index - 1].id
    message = made.get("message")
    if isinstance(message, dict) and message.get("role") == "hookMessage":
        made["message"] = {**message, "role": "custom"}
    return made


def _branch(names: set[str], place: int) -> str:
    name = "main" if not names else f"at-{place}"
    if len(names) > MOST_FORKS:
        return REST
    names.add(name)
    return name
