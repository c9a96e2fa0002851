"""What can be saved of a reply that is not YAML: sections and items found by their lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from meso_services.mind.plain_yaml import PlainYamlError, load

_DASH = re.compile(r"^(\s*)[-*•](?:\s+|$)(.*)$")
_BLOCK = re.compile(r"^[|>][-+0-9]*\s*(?:#.*)?$")
_FIELD = re.compile(r"^\s*(?:[-*]\s+)?([A-Za-z_]{2,12})\s*:\s*(.*)$")
_FIELDS = ("to", "recipient", "target", "text", "content", "message", "thought", "draft", "body")


def first_key(text: str, keys: Sequence[str]) -> int | None:
    """Where the first line begins that is headed by one of `keys`."""
    found = _heads(keys).search(text)
    return found.start() if found else None


def document(text: str, keys: Sequence[str]) -> dict[str, Any]:
    """Sections by key, each a list of items: texts, or mappings of fields."""
    lines = _expanded(text)
    found: dict[str, Any] = {}
    for key, rest, body in _sections(lines, keys):
        if key == "skip":
            found[key] = rest
            continue
        items = [rest] if rest and rest not in ("[]", "|", ">", "~") else []
        found.setdefault(key, []).extend([*items, *map(_value, _items(body))])
    return found


def _heads(keys: Sequence[str]) -> re.Pattern[str]:
    words = "|".join(keys)
    return re.compile(
        rf"^[ \t]*[*_\"'#]*[ \t]*({words})[*_\"']*[ \t]*:[*_]*[ \t]*(.*)$", re.MULTILINE | re.I
    )


def _expanded(text: str) -> list[str]:
    """Lines whose leading tabs are spaces."""
    lines = []
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        lines.append(line[: len(line) - len(body)].replace("\t", "  ") + body)
    return lines


def _sections(lines: Sequence[str], keys: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Key, the rest of its line, and the lines below it.

    A key further to the right than the first one is part of a text.
    """
    head = _heads(keys)
    edge: int | None = None
    current: tuple[str, str, list[str]] | None = None
    for line in lines:
        found = head.match(line)
        indent = len(line) - len(line.lstrip())
        if found and (edge is None or indent <= edge):
            if current:
                yield current
            edge = indent
            current = (found[1].lower(), found[2].strip(), [])
        elif current:
            current[2].append(line)
    if current:
        yield current


def _items(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines of each item; those before the first dash are one item too."""
    dashes = [m for m in map(_DASH.match, lines) if m]
    edge = min((len(m[1]) for m in dashes), default=None)
    current: list[str] = []
    for line in lines:
        found = _DASH.match(line)
        if found and len(found[1]) == edge:
            if any(part.strip() for part in current):
                yield current
            current = []
        current.append(line)
    if any(part.strip() for part in current):
        yield current


def _value(lines: Sequence[str]) -> Any:
    text = textwrap.dedent("\n".join(lines))
    try:
        value = load(text)
    except PlainYamlError:
        return _by_fields(lines)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _by_fields(lines: Sequence[str]) -> Any:
    """An item that is not YAML by itself: its fields if it has any, else its text."""
    fields: dict[str, list[str]] = {}
    current: list[str] = fields.setdefault("", [])
    for line in lines:
        found = _FIELD.match(line)
        if found and found[1].lower() in _FIELDS:
            current = fields.setdefault(found[1].lower(), [])
            current.append(found[2])
        else:
            current.append(_DASH.sub(r"\2", line) if not fields[""] and len(fields) == 1 else line)
    texts = {key: _joined(value) for key, value in fields.items() if _joined(value)}
    if set(texts) <= {""}:
        return texts.get("", "")
    texts.pop("", None)
    return texts


def _joined(lines: Sequence[str]) -> str:
    kept = list(lines)
    if kept and _BLOCK.match(kept[0].strip()):
        kept = kept[1:]
    text = textwrap.dedent("\n".join(line.rstrip() for line in kept)).strip()
    for quote in ('"', "'"):
        # A quotation that was never closed, or closed too early.
        if text.startswith(quote):
            text = text.removeprefix(quote).removesuffix(quote)
    return text
