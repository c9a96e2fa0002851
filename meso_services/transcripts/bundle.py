"""Several files as one stream of lines: a session's own, then each further one after a line that
names it.

The line is `{"type":"meso-file","path":"subagents/agent-x.jsonl"}`; a file that holds no JSON
lines is in it: `"base64"`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from meso_services.runtime.errors import MesoError
from meso_services.transcripts.lines import MOST_LINE, Raw, Record, compact, parse, read

MARK = b'{"type":"meso-file",'
KIND = "meso-file"
MOST_FILES = 10_000


@dataclass(frozen=True)
class Segment:
    """A file in a stream: bytes `start` to `end`. `path` is None for the session's own.

    `mark` is the line that names it; `content` is the whole of a file that is in that line.
    """

    path: str | None
    start: int
    end: int
    mark: Raw | None = None
    content: bytes | None = None


def segments(source: BinaryIO) -> list[Segment]:
    """The files in a stream. Raises `import.bad_path`, `import.too_many_files`."""
    found = [Segment(None, 0, 0)]
    end = 0
    for raw in read(source):
        if raw.text.startswith(MARK) and (record := parse(raw.text)) is not None:
            found[-1] = _ended(found[-1], raw.start)
            found.append(_named(raw, record))
            if len(found) > MOST_FILES:
                raise MesoError("import.too_many_files", f"more than {MOST_FILES} files",
                                status=422)  # fmt: skip
        end = raw.start + len(raw.text)
    found[-1] = _ended(found[-1], end)
    return found


def lines(source: BinaryIO, segment: Segment) -> Iterator[Raw]:
    """A file's lines; numbers begin at 1 in each."""
    for raw in read(source, segment.start):
        if raw.start >= segment.end:
            return
        yield raw


def mark(path: str, content: bytes | None = None) -> bytes:
    """The line before a file, or the whole of one that holds no JSON lines."""
    line: dict[str, object] = {"type": KIND, "path": path}
    if content is not None:
        line["base64"] = base64.b64encode(content).decode()
    return compact(line)


def fits(content: bytes) -> bool:
    """True for a file that can be carried in its own line."""
    return len(content) < MOST_LINE * 3 // 4 - 4096


def safe(path: str) -> bool:
    """True for a relative path that stays where it is put."""
    pure = PurePosixPath(path)
    return (
        0 < len(path) <= 512
        and not pure.is_absolute()
        and str(pure) == path
        and ".." not in pure.parts
        and all(part.isprintable() and not part.startswith("-") for part in pure.parts)
    )


def _named(raw: Raw, record: Record) -> Segment:
    path = record.get("path")
    if not isinstance(path, str) or not safe(path):
        raise MesoError("import.bad_path", f"line {raw.number}: {str(path)[:200]!r} is no path "
                        "below a session", status=422)  # fmt: skip
    content: bytes | None = None
    if isinstance(record.get("base64"), str):
        try:
            content = base64.b64decode(record["base64"], validate=True)
        except binascii.Error as problem:
            raise MesoError("import.bad_path", f"line {raw.number}: {problem}",
                            status=422) from problem  # fmt: skip
    at = raw.start + len(raw.text)
    return Segment(path, at, at, raw, content)


def _ended(segment: Segment, end: int) -> Segment:
    return Segment(segment.path, segment.start, max(segment.start, end), segment.mark,
                   segment.content)  # fmt: skip
