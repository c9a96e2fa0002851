"""What a verb prints: its result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from meso_cli.terminal import lines


class CliError(Exception):
    """A verb cannot go on. `code` is stable, `hint` says what to do about it."""

    def __init__(self, code: str, message: str, *, hint: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is shown: `status` is the exit status of the program."""

    code: str
    message: str
    hint: str
    status: int = 1

    def text(self) -> str:
        """For people: the message, then the hint on lines of its own."""
        hint = "".join(f"\n  {line}" for line in self.hint.splitlines())
        return f"meso: {self.message}{hint}"

    def document(self) -> dict[str, Any]:
        """For programs: the shape that the services use too."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def problem(error: BaseException) -> Problem | None:
    """`error` as a problem to show, or None when it is a defect of ours.

    Our errors carry `code` and `message`, and `hint` or `remedy`: `CliError`,
    the host's `HostError`, the services' `MesoError`. They share no base class,
    because the appliance has no host code and the host needs no service code.
    """
    code = getattr(error, "code", None)
    # A service's own words are in `info`: `contract.client.CallError`.
    said = getattr(error, "info", error)
    message = getattr(said, "message", None)
    if isinstance(code, str) and isinstance(message, str):
        hint = getattr(said, "hint", "") or getattr(said, "remedy", "") or ""
        status = error.status if isinstance(error, CliError) else 1
        return Problem(code, message, str(hint), status)
    if type(error).__name__ == "CommandError":
        return Problem("program.failed", str(error), "")
    if isinstance(error, PermissionError):
        return Problem("file.permission", str(error), "Run it as a user who may use that file.")
    return None


@dataclass(frozen=True, slots=True)
class Output:
    """Where a verb puts its result; `json` says that a program reads it."""

    json: bool = False
    stream: TextIO | None = None

    def result(self, data: Any, text: str | None = None) -> None:
        """Print the result: `data` as one JSON document, or `text` for people.

        What agents wrote may stand in it, so a terminal obeys nothing of it but line breaks.
        """
        shown = lines(text) if text is not None and not self.json else json.dumps(data, indent=2)
        print(shown, file=self.stream or sys.stdout, flush=True)

    def line(self, data: Any, text: str | None = None) -> None:
        """Print one of many results: one JSON document a line, or `text`."""
        shown = lines(text) if text is not None and not self.json else json.dumps(data)
        print(shown, file=self.stream or sys.stdout, flush=True)


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
