"""A summary without a model: what was asked, what was answered, which tools touched what.

Deterministic: equal entries give equal text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from meso_services.session_manager.entries import Line
from meso_services.session_manager.index.derive import CHARACTERS
from meso_services.session_manager.model.parts import is_request, plain, said

ASKED, ANSWERED = 400, 600
FILES = 40
_PATHS = ("path", "file_path", "filePath", "notebook_path")


@dataclass
class Turn:
    """One request and what came of it."""

    asked: str = ""
    answered: str = ""
    tools: dict[str, int] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    failed: int = 0


def turns(lines: Iterable[Line]) -> list[Turn]:
    """The turns of a conversation."""
    found: list[Turn] = []
    for line in lines:
        if is_request(line):
            found.append(Turn(asked=plain(line)))
            continue
        if not found:
            found.append(Turn())
        _add(found[-1], line)
    return [turn for turn in found if turn != Turn()]


def extract(lines: Iterable[Line], tokens: int = 2000) -> str:
    """A text of at most about `tokens` tokens; of a long conversation, its two ends."""
    written = [_written(turn) for turn in turns(lines)]
    room = int(tokens * CHARACTERS)
    if sum(len(part) + 2 for part in written) <= room:
        return "\n\n".join(written)
    first: list[str] = []
    last: list[str] = []
    # A third for how it began, the rest for how it ended: the end is what the work goes on from.
    ahead = room // 3
    for part in written:
        if sum(map(len, first)) + len(part) > ahead:
            break
        first.append(part)
    for part in reversed(written[len(first) :]):
        if sum(map(len, first)) + sum(map(len, last)) + len(part) > room and last:
            break
        last.insert(0, part)
    gone = len(written) - len(first) - len(last)
    middle = [f"({gone} requests in between are left out.)"] if gone else []
    return "\n\n".join([*first, *middle, *last])


def _add(turn: Turn, line: Line) -> None:
    found = said(line)
    if found is None or found[0] == "system":
        return
    if line.type in ("branch_summary", "compaction"):
        turn.answered = plain(line)
    elif found[0] == "assistant" and (text := plain(line)):
        turn.answered = text
    for block in found[1]:
        if block["type"] == "tool_use":
            turn.tools[block["name"]] = turn.tools.get(block["name"], 0) + 1
            _files(turn, block["input"])
        elif block["type"] == "tool_result" and block.get("is_error") is True:
            turn.failed += 1


def _files(turn: Turn, given: dict[str, Any]) -> None:
    for name in _PATHS:
        if isinstance(path := given.get(name), str) and len(turn.files) < FILES:
            turn.files[path] = None


def _written(turn: Turn) -> str:
    parts = []
    if turn.asked:
        parts.append(f"- Asked: {_short(turn.asked, ASKED)}")
    if turn.tools:
        used = ", ".join(f"{n} {name}" for name, n in sorted(turn.tools.items()))
        failed = f" ({turn.failed} failed)" if turn.failed else ""
        parts.append(f"  Tools: {used}{failed}")
    if turn.files:
        parts.append(f"  Files: {', '.join(turn.files)}")
    if turn.answered:
        parts.append(f"  Answered: {_short(turn.answered, ANSWERED)}")
    return "\n".join(parts)


def _short(text: str, most: int) -> str:
    one = " ".join(text.split())
    return one if len(one) <= most else one[: most - 1].rsplit(" ", 1)[0] + "…"
