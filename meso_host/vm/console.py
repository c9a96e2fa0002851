"""What a machine's serial console said: how far its start is, and its last lines."""

from __future__ import annotations

import re
from pathlib import Path

# Terminal control: colours, cursor moves, and what the firmware uses to clear the screen.
CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>])")

# Later stages first: the first one whose mark was seen is where the machine is.
STAGES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("login prompt", re.compile(r"\blogin:")),
    ("system", re.compile(r"Welcome to|meso-initrd: slot|systemd\[1\]:|\[  OK  \]")),
    ("kernel", re.compile(r"Linux version|EFI stub|Run /init")),
    ("boot loader", re.compile(r"systemd-boot|Boot in \d+")),
    ("firmware", re.compile(r"BdsDxe|UEFI")),
)


class Console:
    """Reads the log file at `path` from the byte `start`; None: from its end as it is now."""

    def __init__(self, path: Path, start: int | None = None) -> None:
        self._path = path
        size = path.stat().st_size if path.exists() else 0
        self._start = size if start is None else start

    def text(self) -> str:
        """Everything printed since, without terminal control."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._start)
                raw = file.read()
        except FileNotFoundError:
            return ""
        return CONTROL.sub("", raw.decode(errors="replace")).replace("\r", "")

    def stage(self) -> str:
        """How far the machine's start is."""
        text = self.text()
        return next((name for name, mark in STAGES if mark.search(text)), "power on")

    def tail(self, lines: int = 15) -> str:
        """The last lines that say something."""
        said = [line.rstrip() for line in self.text().splitlines() if line.strip()]
        return "\n".join(said[-lines:])

    def last(self) -> str:
        """The last line."""
        return self.tail(1)
