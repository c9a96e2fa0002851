"""The boot records: one file for the running boot, one line for each that is over.

`current.json` describes the running boot and how the one before it ended;
`history.jsonl` keeps the last finished ones. Both are replaced as a whole, so a
power cut leaves the old or the new content.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

SCHEMA = 1
KEPT = 200


class Outcome(Enum):
    """How a boot ended."""

    FIRST = "first-boot"  # there was none before
    CLEAN = "clean"
    POWER_LOSS = "power-loss"
    WATCHDOG = "watchdog"
    PANIC = "panic"
    HEALTH = "health-failure"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class End:
    """The end of a boot: what it was, and why in words for the operator."""

    outcome: Outcome
    reason: str
    version: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """What the health check after boot found."""

    healthy: bool
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Slots:
    """The boot loader's view at the end of the boot, by entry names without counters."""

    confirmed: bool
    others: tuple[str, ...] = ()
    exhausted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One boot. Times are ISO 8601 in UTC as the clock stood then."""

    boot_id: str
    number: int
    started: str
    version: str
    slot: str
    roothash: str
    previous: End
    panics: tuple[str, ...] = ()  # filed panics that are already accounted for
    exhausted: tuple[str, ...] = ()  # the same for entries that have used up their tries
    health: Health | None = None
    intent: str = ""  # why this boot is about to end by itself
    slots: Slots | None = None
    closed: str = ""
    schema: int = field(default=SCHEMA)


def load(directory: Path) -> Record | None:
    """The last record written, or None when there is none that can be read."""
    try:
        return decode(json.loads((directory / "current.json").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(directory: Path, record: Record) -> None:
    """Replace the current record, durably."""
    _replace(directory / "current.json", json.dumps(encode(record), indent=1) + "\n")


def archive(directory: Path, record: Record, end: End) -> None:
    """Append a finished boot to the history and drop the oldest beyond the last 200."""
    path = directory / "history.jsonl"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    line = json.dumps({**encode(record), "end": {**asdict(end), "outcome": end.outcome.value}})
    _replace(path, "\n".join([*lines, line][-KEPT:]) + "\n")


def encode(record: Record) -> dict[str, Any]:
    """The record as plain data."""
    data = asdict(record)
    data["previous"]["outcome"] = record.previous.outcome.value
    return data


def decode(data: dict[str, Any]) -> Record:
    """Plain data as a record. Raises KeyError, TypeError or ValueError when it is not one."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']}")
    known = {name: data[name] for name in (f.name for f in fields(Record)) if name in data}
    end = known["previous"]
    known["previous"] = End(**{**end, "outcome": Outcome(end["outcome"])})
    known["panics"] = tuple(known["panics"])
    known["exhausted"] = tuple(known["exhausted"])
    known["health"] = Health(**known["health"]) if known["health"] else None
    known["slots"] = _slots(known["slots"]) if known["slots"] else None
    return Record(**known)


def _slots(data: dict[str, Any]) -> Slots:
    return Slots(data["confirmed"], tuple(data["others"]), tuple(data["exhausted"]))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
