"""Read a range of lines of an open file, with care for size and encoding."""

from __future__ import annotations

import binascii
import codecs
import os
from io import BufferedReader

_SNIFF = 8192
_SKIP = 64 * 1024
_MAX_UTF16 = 16 * 1024 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Content:
    """What was read; its attributes are the keys of the reply.

    Not a dataclass: importing those takes longer than the read.
    """

    def __init__(self, size: int, first_line: int) -> None:
        self.size, self.first_line = size, first_line
        self.kind = "text"
        self.encoding: str | None = "utf-8"
        self.lines: list[str] = []
        self.next_offset: int | None = None
        self.cut_lines: list[int] = []
        self.escaped_lines: list[int] = []
        self.base64: str | None = None


def read_range(descriptor: int, offset: int, limit: int, max_bytes: int) -> dict[str, object]:
    """Lines `offset` … `offset + limit - 1`, up to `max_bytes` of text. Closes the descriptor."""
    with os.fdopen(descriptor, "rb") as file:
        content = Content(os.fstat(descriptor).st_size, offset)
        head = file.read(_SNIFF)
        file.seek(0)
        if head.startswith(_UTF16):
            _read_utf16(file, content, limit, max_bytes)
        elif b"\0" in head:
            _read_binary(file, content, max_bytes)
        else:
            _read_text(file, content, limit, max_bytes)
        return vars(content)


def _read_binary(file: BufferedReader, content: Content, max_bytes: int) -> None:
    content.kind, content.encoding = "binary", None
    content.lines, content.cut_lines, content.escaped_lines = [], [], []
    content.next_offset = None
    file.seek(0)
    content.base64 = binascii.b2a_base64(file.read(max_bytes), newline=False).decode()


def _read_utf16(file: BufferedReader, content: Content, limit: int, max_bytes: int) -> None:
    raw = file.read(_MAX_UTF16 + 1)
    try:
        text = raw.decode("utf-16")
        text.encode()  # a surrogate without its other half is no text either
    except UnicodeError:
        text = None
    if text is None or len(raw) > _MAX_UTF16:
        _read_binary(file, content, max_bytes)
        return
    content.encoding = "utf-16"
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    _Taker(content, limit, max_bytes).take_all([line.encode() for line in lines])


def _read_text(file: BufferedReader, content: Content, limit: int, max_bytes: int) -> None:
    if file.read(3) == codecs.BOM_UTF8:
        content.encoding = "utf-8-sig"
    else:
        file.seek(0)
    taker = _Taker(content, limit, max_bytes)
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        whole = line.endswith(b"\n")
        if number >= content.first_line:
            if b"\0" in line:
                _read_binary(file, content, max_bytes)
                return
            if not taker.take(number, line[:-1] if whole else line):
                return
        if not whole:
            _skip_line(file)


def _skip_line(file: BufferedReader) -> None:
    while (piece := file.readline(_SKIP)) and not piece.endswith(b"\n"):
        pass


class _Taker:
    """Takes lines into the content until a limit is reached."""

    def __init__(self, content: Content, limit: int, max_bytes: int) -> None:
        self._content, self._limit, self._left = content, limit, max_bytes

    def take_all(self, lines: list[bytes]) -> None:
        for number, line in enumerate(lines, start=1):
            if number >= self._content.first_line and not self.take(number, line):
                return

    def take(self, number: int, line: bytes) -> bool:
        """Take one line; False when the answer is full, with `next_offset` set."""
        content = self._content
        full = len(content.lines) >= self._limit or (content.lines and len(line) > self._left)
        if full:
            content.next_offset = number
            return False
        if len(line) > self._left:
            content.cut_lines.append(number)
            line = _whole_characters(line[: self._left])
        content.lines.append(self._decode(number, line))
        # An empty line costs something too, or a file of line feeds would have no end.
        self._left -= len(line) + 1
        return True

    def _decode(self, number: int, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._content.escaped_lines.append(number)
            return line.decode(errors="backslashreplace")


def _whole_characters(line: bytes) -> bytes:
    """Drop the beginning of a character that a cut has left at the end."""
    for length in range(1, min(4, len(line)) + 1):
        byte = line[-length]
        if byte & 0xC0 == 0xC0:
            width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return line[:-length] if length < width else line
        if byte < 0x80:
            return line
    return line
