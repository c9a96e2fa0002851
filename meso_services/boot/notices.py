"""Units that failed: kept for `meso status`, the newest last. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE = "notices.jsonl"
KEPT = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """One failure. `time` is ISO 8601 in UTC, `result` systemd's word (exit-code, signal,
    watchdog, timeout, start-limit-hit …); `restarted` is False when systemd gave the unit up."""

    time: str
    boot_id: str
    unit: str
    result: str
    restarted: bool

    def sentence(self) -> str:
        """For people."""
        after = "was restarted" if self.restarted else "stays down"
        return f"{self.unit} failed ({self.result}) at {self.time} and {after}"


def load(directory: Path) -> list[Notice]:
    """What is on record, the oldest first; a line that cannot be read is skipped."""
    try:
        lines = (directory / FILE).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [notice for line in lines if (notice := _decode(line)) is not None]


def add(directory: Path, notice: Notice) -> None:
    """Put one on record, durably; the oldest beyond the last 100 go."""
    kept = [*load(directory), notice][-KEPT:]
    text = "".join(json.dumps(asdict(each)) + "\n" for each in kept)
    new = directory / f".{FILE}.{os.getpid()}"
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / FILE)


def _decode(line: str) -> Notice | None:
    try:
        data = json.loads(line)
        return Notice(**{each.name: data[each.name] for each in fields(Notice)})
    except (ValueError, KeyError, TypeError):
        return None
