"""Change one place of a JSON file and leave every other byte as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"
INDENT = "  "


class JsonTextError(Exception):
    """The text is not JSON, or another kind of value stands at the place."""


@dataclass(frozen=True)
class Child:
    """A member or an item: where it begins (a member with its key), where its value is."""

    key: str | None
    start: int
    value_start: int
    end: int


def insert(text: str, container: tuple[str, ...], key: str | None, value: Any) -> tuple[str, str]:
    """The text with the value put first into the container, and the piece that was put in.

    Containers that are missing are made. Raises JsonTextError.
    """
    at, depth = _deepest(text, container)
    for name in reversed(container[depth:]):
        value = [value] if key is None else {key: value}
        key = name
    opening = text[at]
    if opening != ("[" if key is None else "{"):
        raise JsonTextError(f"{'.'.join(container) or 'the file'} is another kind of value")
    children = list(_children(text, at))
    if key is not None and any(child.key == key for child in children):
        raise JsonTextError(f"there is a member {key!r} already")
    pad = "\n" + INDENT * (depth + 1)
    body = json.dumps(value, indent=len(INDENT), ensure_ascii=False).replace("\n", pad)
    member = body if key is None else f"{json.dumps(key)}: {body}"
    piece = f"{pad}{member}," if children else f"{pad}{member}\n{INDENT * depth}"
    return text[: at + 1] + piece + text[at + 1 :], piece


def remove(text: str, container: tuple[str, ...], key: str | None, value: Any) -> str:
    """The text without that member or item, wherever it stands now. Raises JsonTextError."""
    at, depth = _deepest(text, container)
    if depth < len(container):
        return text
    children = list(_children(text, at))
    for number, child in enumerate(children):
        same = child.key == key if key is not None else _value(text, child) == value
        if same:
            return _cut(text, at, children, number)
    return text


def _cut(text: str, at: int, children: list[Child], number: int) -> str:
    if number + 1 < len(children):
        return text[: children[number].start] + text[children[number + 1].start :]
    if number:
        return text[: children[number - 1].end] + text[children[number].end :]
    return text[: at + 1] + text[_skip(text, children[0].end) :]


def _deepest(text: str, container: tuple[str, ...]) -> tuple[int, int]:
    """Where the innermost container that exists begins, and how many names led there."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise JsonTextError(str(problem)) from problem
    at, depth = _skip(text, 0), 0
    for name in container:
        if text[at] != "{":
            break
        found = next((c for c in _children(text, at) if c.key == name), None)
        if found is None:
            break
        at, depth = found.value_start, depth + 1
    return at, depth


def _children(text: str, at: int) -> Iterator[Child]:
    if text[at] not in "{[":
        raise JsonTextError("another kind of value stands there")
    position = _skip(text, at + 1)
    while text[position] not in "}]":
        start, key = position, None
        if text[at] == "{":
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        _, end = _DECODER.raw_decode(text, position)
        yield Child(key, start, position, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _value(text: str, child: Child) -> Any:
    return _DECODER.raw_decode(text, child.value_start)[0]


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position
