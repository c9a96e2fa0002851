"""Lines of a transcript, read one at a time, with a bound on each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from meso_services.contract.common import MAX_DEPTH
from meso_services.runtime.errors import MesoError

MOST_LINE = 32 << 20
MOST_LINES = 2_000_000

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Raw:
    """A line with its line feed, where it has one. `number` counts from 1, `start` in bytes."""

    number: int
    start: int
    text: bytes


def read(source: BinaryIO, start: int = 0) -> Iterator[Raw]:
    """The lines of a file from its beginning. Raises `import.line_too_long`, `import.too_long`."""
    source.seek(start)
    number, at = 0, start
    while text := source.readline(MOST_LINE + 1):
        number += 1
        if len(text) > MOST_LINE:
            raise MesoError(
                "import.line_too_long",
                f"line {number} is longer than {MOST_LINE >> 20} MiB",
                status=422,
                hint="no agent writes such a line; nothing was imported",
                detail={"line": number},
            )
        if number > MOST_LINES:
            raise MesoError(
                "import.too_long",
                f"there are more than {MOST_LINES} lines",
                status=422,
                hint="nothing was imported; split the file",
            )
        yield Raw(number, at, text)
        at += len(text)


def read_file(path: Path) -> Iterator[Raw]:
    """The lines of the file at `path`."""
    with path.open("rb") as source:
        yield from read(source)


def parse(text: bytes) -> Record | None:
    """The JSON object in a line; None if there is none that could be written again."""
    try:
        found = json.loads(text.decode(), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def too_deep(value: object) -> bool:
    """True for what is nested deeper than an answer of a service may be."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH - 4):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def compact(record: Record) -> bytes:
    """A line as JavaScript's JSON.stringify writes it, with its line feed."""
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a character: it can only be written as an escape.
        text = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode()
    return text + b"\n"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} could not be written as JSON again")
    return number
