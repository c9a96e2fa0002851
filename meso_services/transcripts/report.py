"""What an import repaired or left out, and what an export cannot say in the other format."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST = 200
MOST_TEXT = 300


@dataclass
class Report:
    """Remarks, the first of them in words, all of them counted."""

    notes: list[str] = field(default_factory=list)
    count: int = 0

    def say(self, text: str) -> None:
        """Add a remark."""
        self.count += 1
        if len(self.notes) < MOST:
            self.notes.append(text[:MOST_TEXT].encode(errors="replace").decode())

    def line(self, number: int, text: str) -> None:
        """Add a remark on a line."""
        self.say(f"line {number}: {text}")
