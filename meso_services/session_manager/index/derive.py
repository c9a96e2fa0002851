"""What one line adds to the index: estimates, marks, usage. Pure functions of the line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meso_services.session_manager import records
from meso_services.session_manager.entries import Line

# One token is about four characters of English, fewer of code or other scripts: an estimate that
# is meant to be high rather than low.
CHARACTERS = 3.5
# What counts as a message of the conversation, and what stands in its context.
SPOKEN = frozenset({"message", "custom_message", "branch_summary", "compaction"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of each class, and what they cost in US dollars as far as the entry says."""

    provider: str
    model: str
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float


def tokens(line: Line) -> int:
    """An estimate of what the entry takes of a model's context."""
    if line.type not in SPOKEN:
        return 0
    said: Any = line.data.get("message") if line.type == "message" else line.data
    if isinstance(said, Mapping):
        said = said.get("content", said.get("summary", said.get("output", "")))
    if isinstance(said, str):
        return int(len(said) / CHARACTERS) + 4
    return int(len(json.dumps(said, ensure_ascii=False)) / CHARACTERS) + 4


def role(line: Line) -> str | None:
    """The role of a message."""
    message = line.data.get("message") if line.type == "message" else None
    found = message.get("role") if isinstance(message, dict) else None
    return found if isinstance(found, str) else None


def kind(line: Line) -> str:
    """What the entry is: its type, a message's role (`message:user`), or a record's kind."""
    if line.type == "message":
        return f"message:{role(line) or ''}"[:64]
    return (records.kind_of(line.type, line.data) or line.type)[:64]


def mark(line: Line) -> tuple[str, str] | None:
    """(kind, target) of an entry that says something about another one."""
    if line.type == "label":
        target = line.data.get("targetId")
        return ("label", target) if isinstance(target, str) else None
    own = records.kind_of(line.type, line.data)
    if own == records.NOTE:
        target = records.facts(line.data).get("targetId")
        return ("note", target) if isinstance(target, str) else None
    if own == records.CHECKPOINT and line.parent:
        return "checkpoint", line.parent
    return None


def usage(line: Line) -> Usage | None:
    """What an answer used, in the words of Pi or of the Messages API. Copies used nothing."""
    if line.copy_of is not None:
        return None
    said = line.data.get("message") if line.type == "message" else line.data
    if line.type not in ("message", "usage") or not isinstance(said, dict):
        return None
    found = said.get("usage")
    if not isinstance(found, dict):
        return None
    model = said.get("model") or line.data.get("model")
    cost = found.get("cost")
    return Usage(
        str(said.get("provider") or line.data.get("provider") or ""),
        str(model or ""),
        _count(found, "input", "input_tokens"),
        _count(found, "output", "output_tokens"),
        _count(found, "cacheRead", "cache_read_input_tokens"),
        _count(found, "cacheWrite", "cache_creation_input_tokens"),
        _money(cost.get("total") if isinstance(cost, dict) else cost),
    )


def words(line: Line) -> str:
    """The text of the entry that can be searched for."""
    if line.type == "custom":
        own = records.kind_of(line.type, line.data)
        return str(records.facts(line.data).get("text", "")) if own == records.NOTE else ""
    parts: list[str] = []
    _collect({k: v for k, v in line.data.items() if k != "id"}, parts, 0)
    return "\n".join(parts)


# Keys whose text is what somebody said; all others hold names, ids and figures.
_SAID = frozenset({"text", "thinking", "summary", "name", "label", "content", "output", "command"})


def _collect(value: Any, parts: list[str], depth: int) -> None:
    if depth > 12:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key in _SAID:
                    parts.append(item)
            elif key in ("arguments", "input") and isinstance(item, dict):
                parts.extend(text for text in item.values() if isinstance(text, str))
            else:
                _collect(item, parts, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _collect(item, parts, depth + 1)


def _count(found: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return min(max(value, 0), 2**53)
    return 0


def _money(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    return 0.0
