"""A request's body: read once, and changed without touching any other byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any

from meso_services.runtime.errors import MesoError

_space = re.compile(r"[ \t\n\r]*").match
# The standard library's own scanner, which also says where a value ends.
_value: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
# Read by the proxy, so that one of them twice could be read differently by the upstream.
_OURS = frozenset({"model", "stream", "metadata", "input", "messages"})


@dataclass(frozen=True)
class Document:
    """A JSON object, its bytes, and where the value of each of its keys stands in the text."""

    raw: bytes
    text: str = field(repr=False)
    keys: dict[str, Any]
    spans: dict[str, tuple[int, int]]

    def with_values(self, changes: Mapping[str, Any]) -> bytes:
        """The bytes with other values for some of its keys; every other byte stays as it is."""
        text = self.text
        known = [name for name in changes if name in self.spans]
        for name in sorted(known, key=lambda name: self.spans[name], reverse=True):
            begin, end = self.spans[name]
            text = text[:begin] + json.dumps(changes[name]) + text[end:]
        return text.encode()


def read(raw: bytes) -> Document:
    """Parse a body. Raises `request.invalid` with status 400, as both APIs do."""
    try:
        text = raw.decode()
        return _object(raw, text)
    except StopIteration as problem:
        raise _invalid(f"the body is not JSON: a value is missing at {problem.value}") from None
    except (ValueError, RecursionError) as problem:
        raise _invalid(f"the body is not JSON: {problem}") from None


def _object(raw: bytes, text: str) -> Document:
    keys: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise _invalid("the body must be a JSON object")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return _closed(Document(raw, text, keys, spans), at + 1)
    while True:
        if text[at : at + 1] != '"':
            raise JSONDecodeError("a key is missing", text, at)
        name, at = scanstring(text, at + 1)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise JSONDecodeError("a colon is missing", text, at)
        begin = _skip(text, at + 1)
        value, end = _value(text, begin)
        if name in keys and name in _OURS:
            raise _invalid(f"{name}: the key stands there twice")
        keys[name], spans[name] = value, (begin, end)
        at = _skip(text, end)
        mark = text[at : at + 1]
        if mark == "}":
            return _closed(Document(raw, text, keys, spans), at + 1)
        if mark != ",":
            raise JSONDecodeError("a comma is missing", text, at)
        at = _skip(text, at + 1)


def _closed(document: Document, at: int) -> Document:
    if _skip(document.text, at) != len(document.text):
        raise JSONDecodeError("something follows the object", document.text, at)
    return document


def _skip(text: str, at: int) -> int:
    found = _space(text, at)
    return found.end() if found else at


def _invalid(message: str) -> MesoError:
    return MesoError("request.invalid", message, status=400)
