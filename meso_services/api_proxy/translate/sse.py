"""Server-sent events: cut a stream of bytes into events, without changing a byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(r"\r\n|\n|\r")
DONE = "[DONE]"


class BrokenStreamError(ValueError):
    """The stream is not what it says; `code` is stable."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class Splitter:
    """Holds at most one incomplete event, of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events that are complete now, each with its closing blank line."""
        data = self._held + piece
        # The mark that ends an event may be cut in two; three bytes back is where it can begin.
        begin, look = 0, max(0, len(self._held) - 3)
        while found := _END.search(data, look):
            yield data[begin : found.end()]
            begin = look = found.end()
        self._held = data[begin:]
        if len(self._held) > self._limit:
            raise BrokenStreamError(
                "proxy.upstream_oversized", f"an event is larger than {self._limit} bytes"
            )

    @property
    def rest(self) -> bytes:
        """What came after the last complete event."""
        return self._held


def data_of(event: bytes) -> str | None:
    """The data of one event; None for a comment. Raises BrokenStreamError."""
    try:
        # Not str.splitlines: it also splits where Unicode sees a line's end, inside of a text.
        lines = _LINE.split(event.decode())
    except UnicodeDecodeError:
        raise BrokenStreamError("proxy.upstream_malformed", "an event is not UTF-8") from None
    data = [line[5:].removeprefix(" ") for line in lines if line.startswith("data:")]
    return "\n".join(data) if data else None


def parsed(event: bytes) -> Any:
    """The JSON of one event; None if it has none (a comment, a mark). Raises BrokenStreamError."""
    data = data_of(event)
    if data is None or not data.strip() or data == DONE:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenStreamError("proxy.upstream_malformed", "an event is not JSON") from None
