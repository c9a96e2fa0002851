"""A session of Claude Code as a new session: every record up to a place, under a new id."""

from __future__ import annotations

import gzip
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.transcripts import claude_layout as layout
from meso_services.transcripts.claude_scan import CHAINED, Row, Scan
from meso_services.transcripts.lines import Raw, Record, compact, parse, read, read_file

MOST_BESIDE = 10_000
ALL = 1 << 62


@dataclass(frozen=True)
class Turn:
    """A request and all that came of it; `first` and `last` are numbers of lines."""

    number: int
    prompt: Row
    first: int
    last: int


def turns(found: Scan) -> list[Turn]:
    """The turns of the conversation as it goes on now, oldest first."""
    chain = found.chain(found.leaf())
    starts = [place for place, row in enumerate(chain) if row.spoken and row.prompt]
    ends = [*starts[1:], len(chain)]
    return [
        Turn(number + 1, chain[start], chain[start].number,
             max(row.number for row in chain[start:end]))
        for number, (start, end) in enumerate(zip(starts, ends, strict=False))
    ]  # fmt: skip


def cut(found: Scan, at: str | None, turn: int | None) -> tuple[int, Row]:
    """The last line to copy, and the message there. A call is never parted from its results.

    Raises `claude.no_message`.
    """
    leaf = found.leaf()
    if leaf is None:
        raise MesoError("claude.empty", "the session has no message", status=409)
    if turn is not None:
        known = turns(found)
        if not 1 <= turn <= len(known):
            raise MesoError("claude.no_message", f"there is no turn {turn}: the session has "
                            f"{len(known)}", status=404, hint="`show` lists them")  # fmt: skip
        last = known[turn - 1].last
        return last, next(row for row in found.rows if row.number == last)
    if at is None:
        return found.rows[-1].number, leaf
    row = found.by_uuid.get(at)
    if row is None or not row.spoken:
        raise MesoError("claude.no_message", f"the session has no message {at}", status=404,
                        hint="`show` lists the uuids of its turns")  # fmt: skip
    return _whole(found, row), row


def _whole(found: Scan, row: Row) -> int:
    """The line up to which the calls around a message have their results."""
    wanted = set(row.results)
    groups = {row.group} if row.group else set()
    groups |= {one.group for one in found.rows if one.group and wanted & set(one.calls)}
    calls = {call for one in found.rows if one.group in groups for call in one.calls}
    near = (one.number for one in found.rows if one.group in groups or calls & set(one.results))
    return max(row.number, *near, 0)


def copied(lines: Iterable[Raw], last: int, old: str, new: str) -> Iterator[bytes]:
    """The lines up to `last` as records of the session `new`."""
    uuids: set[str] = set()
    for raw in lines:
        if raw.number > last:
            return
        record = parse(raw.text)
        if record is None:
            if raw.text.endswith(b"\n") and raw.text.strip():
                yield raw.text
            continue
        if (uuid := record.get("uuid")) is not None and isinstance(uuid, str):
            uuids.add(uuid)
        elif record.get("type") == "last-prompt" and record.get("leafUuid") not in uuids:
            # It points behind the cut.
            continue
        yield compact(moved(record, old, new))


def moved(record: Record, old: str, new: str) -> Record:
    """A record as one of another session, saying where it comes from as the client's forks do."""
    if record.get("sessionId") == old:
        record["sessionId"] = new
    if record.get("type") in CHAINED and isinstance(record.get("uuid"), str):
        record["forkedFrom"] = {"sessionId": old, "messageUuid": record["uuid"]}
    return record


def write_session(folder: Path, session: str, lines: Iterable[bytes]) -> Path:
    """A new session's file: whole, flushed, and nobody's before. Raises `storage.*`."""
    path = folder / f"{session}.jsonl"
    aside = folder / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as target:
            target.writelines(lines)
            target.flush()
            os.fsync(target.fileno())
        # Not a rename: a file of that name would be somebody else's.
        os.link(aside, path)
        durable.flush_directory(folder)
    except OSError as problem:
        raise storage_error(problem, path) from problem
    finally:
        aside.unlink(missing_ok=True)
    return path


def files_beside(path: Path) -> list[Path]:
    """A session's further files (of sub-agents, large results), by their names."""
    place = layout.beside(path)
    if not place.is_dir() or place.is_symlink():
        return []
    found = [one for one in sorted(place.rglob("*")) if one.is_file() and not one.is_symlink()]
    if len(found) > MOST_BESIDE:
        raise MesoError("claude.too_many_files", f"{place} has {len(found)} files", status=422)
    return found


def copy_beside(files: Iterable[tuple[str, Path]], target: Path, old: str, new: str) -> None:
    """The further files as those of the session `new`. Those that end in `.gz` are unpacked."""
    place = layout.beside(target)
    for name, source in files:
        aim = place / name
        durable.make_directories(aim.parent, mode=0o700)
        with opened(source) as read_from:
            if aim.suffix == ".jsonl":
                lines = read(read_from)
                content = b"".join(copied(lines, ALL, old, new))
            else:
                content = read_from.read()
        durable.write(aim, content, mode=0o600, replace=False)


def opened(path: Path) -> BinaryIO:
    """A file to read; one that ends in `.gz` is unpacked."""
    return cast("BinaryIO", gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def names_beside(path: Path) -> list[tuple[str, Path]]:
    """The further files with their paths below the session's directory."""
    place = layout.beside(path)
    return [(str(one.relative_to(place)), one) for one in files_beside(path)]


def lines_of(path: Path) -> Iterator[Raw]:
    """The file's lines; one that is being written just now is not there yet."""
    for raw in read_file(path):
        if raw.text.endswith(b"\n") or parse(raw.text) is not None:
            yield raw
