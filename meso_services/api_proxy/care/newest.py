"""The newest lines of a journal, read backwards."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

from meso_services.api_proxy.care.journal import CHECKPOINT, Journal, Record, politely


def newest(journal: Journal, count: int, fits: Callable[[Record], bool]) -> list[Record]:
    """At most `count` lines that fit and are on the disk, oldest first. For a thread of its own:
    it reads segment by segment, the newest one first, until it has enough."""
    found: list[Record] = []
    for segment in reversed(journal.segments()):
        # A segment may leave while it is read: it was the oldest.
        with contextlib.suppress(FileNotFoundError):
            lines = list(politely(_decoded, segment.read_bytes().splitlines()))
            for line in reversed(lines):
                if line is not None and CHECKPOINT not in line and fits(line):
                    found.append(line)
                    if len(found) == count:
                        return found[::-1]
    return found[::-1]


def _decoded(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
