"""What a mind writes: mind protocol v1.1, the output, read with patience.

Strict YAML is tried first. What is not YAML is taken apart by its lines. Nothing is executed,
nothing expands, the effort is bounded, and everything that was left out is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from meso_services.mind import salvage
from meso_services.mind.plain_yaml import PlainYamlError, load
from meso_services.mind.text import clean

MOST_BYTES = 256 * 1024
MOST_THOUGHTS = 64
MOST_MESSAGES = 16
MOST_CHARACTERS = 16_000
KNOWN = ("thoughts", "messages", "skip", "drafts")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([A-Za-z]*)[ \t]*$", re.MULTILINE)
_TEXT_KEYS = ("text", "thought", "content", "message", "draft", "body")
_TO_KEYS = ("to", "recipient", "target")
_NOTHING = ("", "~", "null")
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")


@dataclass(frozen=True, slots=True)
class Said:
    """A message as the mind wrote it."""

    to: str
    text: str


@dataclass(slots=True)
class Output:
    """What was understood. `dropped` says, for people, what was not, and what was repaired."""

    thoughts: list[str] = field(default_factory=list)
    messages: list[Said] = field(default_factory=list)
    drafts: list[Said] = field(default_factory=list)
    skip: bool = False
    dropped: list[str] = field(default_factory=list)


def parse(raw: bytes | str) -> Output:
    """Read a model's reply. Never raises, whatever it is given."""
    output = Output()
    text = _text(raw, output.dropped)
    document = _document(text, output.dropped)
    if not document:
        output.dropped.append("no thoughts, messages or skip were found in the reply")
        return output
    for key, value in document.items():
        _take(str(key).strip().lower(), value, output)
    if output.skip and (output.thoughts or output.messages or output.drafts):
        output.dropped.append("skip: true was ignored, because there was content beside it")
        output.skip = False
    return output


def _text(raw: bytes | str, dropped: list[str]) -> str:
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    if len(data) > MOST_BYTES:
        dropped.append(f"everything after the first {MOST_BYTES >> 10} KiB of {len(data)} bytes")
        data = data[:MOST_BYTES]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        dropped.append("bytes that are not UTF-8 were replaced")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _document(text: str, dropped: list[str]) -> dict[str, Any]:
    """The first of the possible readings that has a known key."""
    for number, piece in enumerate(_pieces(text)):
        found = _strict(piece)
        if found:
            if number:
                dropped.append("text outside of the YAML")
            return found
    found = salvage.document(_unfenced(text), KNOWN)
    if found:
        dropped.append("the reply is not valid YAML; it was taken apart line by line")
    return found


def _pieces(text: str) -> Iterator[str]:
    """The whole, what stands between fences, and what begins at the first known key."""
    yield text
    marks = list(_FENCE.finditer(text))
    for at, mark in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(text)
        yield text[mark.end() : end]
    begin = salvage.first_key(text, KNOWN)
    if begin is not None:
        yield _unfenced(text[begin:])


def _unfenced(text: str) -> str:
    return _FENCE.sub("", text)


def _strict(text: str) -> dict[str, Any]:
    try:
        value = load(text)
    except PlainYamlError:
        return {}
    if not isinstance(value, dict):
        return {}
    return value if any(str(key).strip().lower() in KNOWN for key in value) else {}


def _take(key: str, value: Any, output: Output) -> None:
    match key:
        case "thoughts" | "thought":
            _thoughts(value, output)
        case "messages" | "message":
            _said(value, output.messages, "message", MOST_MESSAGES, output.dropped)
        case "drafts" | "draft":
            _said(value, output.drafts, "draft", MOST_MESSAGES, output.dropped)
        case "skip":
            output.skip = str(value).strip().lower() in ("true", "yes", "on", "1")
        case _:
            output.dropped.append(f"the unknown key {key[:40]!r}")


def _items(value: Any) -> list[Any]:
    if value is None or value in _NOTHING:
        return []
    return value if isinstance(value, list) else [value]


def _thoughts(value: Any, output: Output) -> None:
    for number, item in enumerate(_items(value), start=1):
        if item in (None, *_NOTHING):
            continue
        text = _plain(item)
        if not text:
            output.dropped.append(f"thought {number} has no text")
        elif len(output.thoughts) == MOST_THOUGHTS:
            output.dropped.append(f"thoughts after the first {MOST_THOUGHTS}")
            return
        else:
            output.thoughts.append(_bounded(text, f"thought {number}", output.dropped))


def _said(value: Any, into: list[Said], what: str, most: int, dropped: list[str]) -> None:
    for number, item in enumerate(_items(value), start=1):
        fields = item if isinstance(item, dict) else {}
        text = _plain(item)
        if not text:
            dropped.append(f"{what} {number} has no text")
        elif len(into) == most:
            dropped.append(f"{what}s after the first {most}")
            return
        else:
            to = _to(fields, f"{what} {number}", dropped)
            into.append(Said(to, _bounded(text, f"{what} {number}", dropped)))


def _to(fields: dict[str, Any], what: str, dropped: list[str]) -> str:
    given = next((fields[key] for key in _TO_KEYS if key in fields), None)
    if isinstance(given, str) and _NAME.match(given.strip()):
        return given.strip()
    dropped.append(f"{what} names no recipient; it goes to the user")
    return "user"


def _plain(item: Any) -> str:
    """The text of an item: itself, or what stands under one of the usual keys."""
    match item:
        case str():
            return clean(item)
        case dict():
            for key in _TEXT_KEYS:
                if isinstance(item.get(key), str):
                    return clean(item[key])
            # `- Note: a thought with a colon` reads as a mapping of one.
            if len(item) == 1:
                ((key, value),) = item.items()
                if isinstance(value, str) and key not in _TO_KEYS:
                    return clean(f"{key}: {value}".rstrip())
            return ""
        case list():
            return clean("\n".join(filter(None, map(_plain, item[:MOST_THOUGHTS]))))
        case _:
            return ""


def _bounded(text: str, what: str, dropped: list[str]) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    dropped.append(f"the end of {what}, after {MOST_CHARACTERS} characters")
    return text[:MOST_CHARACTERS].rstrip()
