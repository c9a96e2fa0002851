"""A mistake in a configuration, and how people and programs are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """One mistake. Texts are complete phrases; `line` and `column` count from 1.

    `code` is stable: `config.unknown_key`, `config.missing_key`, `config.value`,
    `config.type`, `config.private_key`, `config.syntax`, `config.duplicate`,
    `config.encoding`, `config.too_large`, `config.not_found`, `config.not_a_file`,
    `config.unreadable`.
    """

    code: str
    file: str
    message: str
    key: str = ""
    found: str = ""
    allowed: str = ""
    nearest: str = ""
    line: int | None = None
    column: int | None = None
    source: str = ""

    def text(self) -> str:
        """For people: where and what on the first line, then what helps."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        lines = [f"{place}: " + (f"{self.key}: " if self.key else "") + self.message]
        if self.source:
            lines.append(f"    {self.source}")
            lines.append("    " + " " * ((self.column or 1) - 1) + "^")
        named = (("found", self.found), ("allowed", self.allowed), ("did you mean", self.nearest))
        lines += [f"    {name}: {value}" for name, value in named if value]
        lines.append(f"    code: {self.code}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """For programs: every field, empty ones too."""
        return asdict(self)


class ConfigError(Exception):
    """A configuration that cannot be used; `mistakes` holds every one that was found."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        # The command line shows every error by these two.
        self.code = mistakes[0].code
        self.message = self.text()
        super().__init__(self.message)

    def text(self) -> str:
        """All mistakes for people, and how many there are."""
        count = len(self.mistakes)
        total = "1 mistake" if count == 1 else f"{count} mistakes"
        return "\n".join([*(mistake.text() for mistake in self.mistakes), total])


def write_key(key: Key) -> str:
    """`("users", "operator", "ssh_keys", 0)` → `users.operator.ssh_keys[0]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text
