"""Reads the audit's files and checks the chain. Needs no service: the files are enough."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meso_services.contract.tools_audit import (
    FIRST_PREVIOUS,
    AuditRecord,
    AuditVerdict,
    record_hash,
)

HEAD = "head"
MAX_LINE = 256 << 10


@dataclass(frozen=True)
class Head:
    """The newest record's number and hash; number 0 before the first."""

    seq: int = 0
    hash: str = FIRST_PREVIOUS

    def line(self) -> bytes:
        """Always equally long, so that it is overwritten in place."""
        return f"{self.seq:020d} {self.hash}\n".encode()


class BrokenError(Exception):
    """The chain is not whole; from which record on, in which file, and why."""

    def __init__(self, seq: int, file: str, problem: str) -> None:
        super().__init__(problem)
        self.seq, self.file, self.problem = seq, file, problem


def segments(directory: Path) -> list[Path]:
    """The audit's files, oldest first. Each is named by its first record's number."""
    return sorted(directory.glob("[0-9]*.jsonl"))


def read_head(directory: Path) -> Head | None:
    """What the head file says; None if it says nothing sensible."""
    try:
        seq, _, digest = (directory / HEAD).read_text().strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return Head(int(seq), digest) if seq.isdigit() and len(digest) == 64 else None


def lines(path: Path, *, last: bool = True) -> Iterator[bytes]:
    """Whole lines. Behind the last line feed of the `last` file is what is not yet a record."""
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if line.endswith(b"\n") or len(line) >= MAX_LINE or not last:
                yield line


def checked(line: bytes, before: Head, file: str) -> AuditRecord:
    """The record of a line that follows `before`. Raises BrokenError."""
    expected = before.seq + 1
    try:
        raw: dict[str, Any] = json.loads(line)
        record = AuditRecord.model_validate(raw)
    except (ValueError, ValidationError):
        raise BrokenError(expected, file, "it is no record") from None
    if record.seq != expected:
        what = "records are missing" if record.seq > expected else "a record is out of order"
        raise BrokenError(expected, file, f"{what}: number {record.seq} stands here")
    # To the byte: spaces and a key said twice change no hash, but somebody did change them.
    as_written = json.dumps(raw, ensure_ascii=False).encode(errors="replace") + b"\n"
    if record.hash != record_hash(raw) or line != as_written:
        raise BrokenError(expected, file, "its content was altered")
    if record.prev != before.hash:
        raise BrokenError(expected, file, "it does not follow the record before it")
    return record


def walk(directory: Path, since: int = 0) -> Iterator[AuditRecord]:
    """The records in order, each checked, from the file that holds `since`. Raises BrokenError."""
    found = segments(directory)
    while len(found) > 1 and found[1].stem.isdigit() and int(found[1].stem) <= since:
        found = found[1:]
    before: Head | None = None
    for path in found:
        before = _first(path) if before is None else before
        if not path.stem.isdigit() or int(path.stem) != before.seq + 1:
            raise BrokenError(before.seq + 1, path.name, "the file has another's name")
        for line in lines(path, last=path == found[-1]):
            record = checked(line, before, path.name)
            if lost := record.data.get("lost"):
                raise BrokenError(int(lost), path.name, "records at the end were cut off")
            before = Head(record.seq, record.hash)
            yield record


def _first(path: Path) -> Head:
    """Where the chain begins: with record 1, or where older files were dropped by rotation."""
    if not path.stem.isdigit() or int(path.stem) <= 1:
        return Head()
    line = next(lines(path), b"{}")
    try:
        record = AuditRecord.model_validate_json(line)
    except ValidationError:
        raise BrokenError(int(path.stem), path.name, "it is no record") from None
    return Head(record.seq - 1, record.prev)


def verify(directory: Path, anchor: Head | None = None) -> AuditVerdict:
    """Check everything: each record, the chain, its end, and that no old part is missing.

    `anchor` is a record's number and hash that somebody noted earlier.
    """
    first, head, dropped = None, Head(), 0
    # Before the records: more of them may be added meanwhile.
    noted = read_head(directory)
    try:
        for record in walk(directory):
            first = record.seq if first is None else first
            head = Head(record.seq, record.hash)
            if record.kind == "rotate":
                dropped = max(dropped, int(record.data.get("dropped", 0)))
            for known in (noted, anchor):
                if known is not None and known.seq == record.seq and known.hash != record.hash:
                    raise BrokenError(record.seq, "", "it is not the record that was noted")
        _check_tail(directory, head)
        _check_ends(noted, first, head, dropped, anchor)
    except BrokenError as broken:
        return AuditVerdict(
            ok=False,
            records=head.seq - (first or 1) + 1 if head.seq else 0,
            first=first,
            head=head.seq or None,
            head_hash=head.hash,
            bad_from=broken.seq,
            file=broken.file,
            problem=broken.problem,
        )
    return AuditVerdict(
        ok=True,
        records=head.seq - (first or 1) + 1 if head.seq else 0,
        first=first,
        head=head.seq or None,
        head_hash=head.hash,
    )


def _check_tail(directory: Path, head: Head) -> None:
    """Nothing stands behind the last record. A record that is being written is soon whole."""
    found = segments(directory)
    for seconds in (0.0, 0.2, 0.5):
        time.sleep(seconds)
        if not found or _ends_whole(found[-1]):
            return
    raise BrokenError(
        head.seq + 1, found[-1].name, "behind the last record stands what is no record"
    )


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) in (b"", b"\n")


def _check_ends(
    noted: Head | None, first: int | None, head: Head, dropped: int, anchor: Head | None
) -> None:
    if first is not None and first != dropped + 1:
        raise BrokenError(dropped + 1, "", "the oldest records are missing")
    if noted is None:
        if head.seq:
            raise BrokenError(head.seq + 1, HEAD, "the head file is missing or damaged")
    elif noted.seq > head.seq:
        raise BrokenError(head.seq + 1, HEAD, f"records up to {noted.seq} were cut off")
    if anchor is not None and anchor.seq > head.seq:
        raise BrokenError(head.seq + 1, "", f"record {anchor.seq}, which was noted, is missing")
