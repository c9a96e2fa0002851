"""A connection's transport that sends the head of an answer together with what follows it."""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
# What is longer than this goes by itself: to copy it would cost more than a second send.
COPIED = 64 * 1024


class JoinedTransport(asyncio.Transport):
    """uvicorn writes the head, and then the body: two sends, and for the client two wakings.

    The head waits for the next write, at most until the loop has turned once. What merely looks
    like a head waits likewise, which does no harm. Everything else passes through.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        head, self._head = self._head, b""
        if head and len(data) > COPIED:
            self._transport.write(head)
        elif head:
            data = head + data
        elif bytes(data[: len(_HEAD)]) == _HEAD and len(data) <= COPIED:
            self._head = bytes(data)
            self._loop.call_soon(self._overdue)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._overdue()
        self._transport.close()

    def _overdue(self) -> None:
        if self._head:
            self.write(b"")

    # All else is the connection's own.

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def get_write_buffer_size(self) -> int:
        return len(self._head) + self._transport.get_write_buffer_size()
