"""Where in a TOML text does a key stand?

The standard parser gives values without places. This scanner runs over a text
that the parser has accepted, so it need not judge, only follow: table headers,
keys, and the nesting of values.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from meso_services.config.mistakes import Key

Place = tuple[int, int]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>\"\"\"(?:\\.|[^\\])*?\"{3,5}(?!\")|'''.*?'{3,5}(?!')
                |"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[][{}=,])
    | (?P<word>[^\s\#"'\[\]{}=,]+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


def locate(text: str) -> dict[Key, Place]:
    """Map each key path of `text` to its line and column, both counted from 1."""
    scan = _Scan(text)
    scan.document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return {key: _place(starts, offset) for key, offset in scan.found.items()}


def _place(starts: list[int], offset: int) -> Place:
    line = next(n for n in range(len(starts), 0, -1) if starts[n - 1] <= offset)
    return line, offset - starts[line - 1] + 1


class _Scan:
    def __init__(self, text: str) -> None:
        tokens = [_Token(str(m.lastgroup), m[0], m.start()) for m in _TOKEN.finditer(text)]
        self.tokens = [token for token in tokens if token.kind != "space"]
        self.tokens.append(_Token("newline", "\n", len(text)))
        self.at = 0
        self.found: dict[Key, int] = {}
        self.arrays: dict[Key, int] = {}

    def document(self) -> None:
        table: Key = ()
        while self.at < len(self.tokens):
            if self._take_newlines():
                continue
            if self._take("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Key:
        is_array = self._take("[")
        offset = self.tokens[self.at].offset
        names = self._names("]")
        if is_array:
            self._take("]")
        key = (*self._inside(names[:-1]), names[-1])
        if is_array:
            self.arrays[key] = self.arrays.get(key, -1) + 1
            self.found.setdefault(key, offset)
        if key in self.arrays:
            key += (self.arrays[key],)
        self.found.setdefault(key, offset)
        return key

    def _inside(self, names: list[str]) -> Key:
        key: Key = ()
        for name in names:
            key += (name,)
            if key in self.arrays:
                key += (self.arrays[key],)
        return key

    def _pair(self, table: Key) -> None:
        offset = self.tokens[self.at].offset
        key = table
        for name in self._names("="):
            key += (name,)
            self.found.setdefault(key, offset)
        self._value(key)

    def _names(self, end: str) -> list[str]:
        names: list[str] = []
        while not self._take(end):
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == "string":
                names.append(tomllib.loads(f"x = {token.text}")["x"])
            else:
                names += filter(None, token.text.split("."))
        return names

    def _value(self, key: Key) -> None:
        if self._take("["):
            self._array(key)
        elif self._take("{"):
            self._inline_table(key)
        else:
            while self.tokens[self.at].kind in ("word", "string"):
                self.at += 1

    def _array(self, key: Key) -> None:
        index = 0
        while True:
            while self._take_newlines() or self._take(","):
                pass
            if self._take("]"):
                return
            self.found[(*key, index)] = self.tokens[self.at].offset
            self._value((*key, index))
            index += 1

    def _inline_table(self, key: Key) -> None:
        while not self._take("}"):
            if not (self._take_newlines() or self._take(",")):
                self._pair(key)

    def _take(self, mark: str) -> bool:
        token = self.tokens[self.at]
        taken = token.kind == "mark" and token.text == mark
        self.at += taken
        return taken

    def _take_newlines(self) -> bool:
        taken = self.tokens[self.at].kind == "newline"
        self.at += taken
        return taken
