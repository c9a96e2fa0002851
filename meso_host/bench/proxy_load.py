"""A client that does nothing but ask and take the time, and the server behind everything.

Both are bare protocols on the event loop, so that what is measured is what lies between them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

_ANSWER = json.dumps(
    {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": [{"type": "text", "text": "word " * 40}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 500, "output_tokens": 40},
    }
).encode()
_WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_ANSWER), _ANSWER)
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = 20
PAUSE = 0.01


def _event(data: dict[str, object]) -> bytes:
    text = f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


class Upstream(asyncio.Protocol):
    """Answers every request at once; a stream's events come `PAUSE` seconds apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._data = transport, b""
        self._writes: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while found := _message(self._data):
            head, body, self._data = found
            del head
            if b'"stream": true' in body:
                task = asyncio.ensure_future(self._stream())
                self._writes.add(task)
                task.add_done_callback(self._writes.discard)
            else:
                self._write(_WHOLE)

    def _write(self, data: bytes) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(data)

    async def _stream(self) -> None:
        message = json.loads(_ANSWER) | {"content": [], "stop_reason": None}
        self._write(_HEAD + _event({"type": "message_start", "message": message}))
        for number in range(EVENTS):
            await asyncio.sleep(PAUSE)
            delta = {"type": "text_delta", "text": str(time.time()), "number": number}
            self._write(_event({"type": "content_block_delta", "index": 0, "delta": delta}))
        self._write(_event({"type": "message_stop"}) + b"0\r\n\r\n")


def _message(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Head, body and the rest, as soon as a whole message is there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    if b"transfer-encoding: chunked" in head:
        last = data.find(b"0\r\n\r\n", end)
        if last < 0:
            return None
        return head, data[end + 4 : last], data[last + 5 :]
    found = head.find(b"content-length:")
    size = int(head[found + 15 :].split(b"\r\n")[0]) if found >= 0 else 0
    if len(data) < end + 4 + size:
        return None
    return head, data[end + 4 : end + 4 + size], data[end + 4 + size :]


@dataclass(frozen=True)
class Way:
    """Where to ask: a UNIX socket's path or a port of this machine, how, and what is expected."""

    address: str | int
    path: str = "/v1/messages"
    stream: bool = False
    model: str = "bench"
    status: int = 200

    def request(self, session: str = "") -> bytes:
        """The bytes of one request, about 500 tokens long."""
        text = "The quick brown fox jumps over the lazy dog. " * 45
        body = json.dumps(
            {
                "model": self.model,
                "max_tokens": 100,
                "stream": self.stream,
                "messages": [{"role": "user", "content": text}],
            }
        ).encode()
        head = f"POST {self.path} HTTP/1.1\r\nhost: meso\r\ncontent-type: application/json\r\n"
        head += "x-api-key: sk-bench\r\nauthorization: Bearer sk-bench\r\n"
        head += f"x-meso-session: {session}\r\n" if session else ""
        head += f"anthropic-version: 2023-06-01\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body


@dataclass
class Asker(asyncio.Protocol):
    """One connection that asks again and again. Times are in seconds, to the first byte."""

    way: Way
    times: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    async def open(self) -> None:
        """Connect."""
        loop = asyncio.get_running_loop()
        if isinstance(self.way.address, str):
            await loop.create_unix_connection(lambda: self, self.way.address)
        else:
            await loop.create_connection(lambda: self, "127.0.0.1", self.way.address)
        self._request = self.way.request()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def ask(self, session: str = "") -> None:
        """One request, to the end of its answer. Raises RuntimeError if it is not as expected."""
        self._data = b""
        self._done = asyncio.get_running_loop().create_future()
        if not isinstance(self._transport, asyncio.WriteTransport):
            raise TypeError("the connection cannot be written to")
        self._began = time.perf_counter()
        self._transport.write(self.way.request(session) if session else self._request)
        await self._done

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self.times.append(time.perf_counter() - self._began)
        if self.way.stream:
            self._delayed(data)
        self._data += data
        if not self._done.done() and _message(self._data):
            if not self._data.startswith(b"HTTP/1.1 %d" % self.way.status):
                self._done.set_exception(RuntimeError(self._data[:500].decode(errors="replace")))
            else:
                self._done.set_result(None)

    def _delayed(self, data: bytes) -> None:
        """How long ago the events in `data` were sent; the server writes the time into them."""
        for part in data.split(b'"text": "')[1:]:
            sent = part.split(b'"')[0]
            if sent.replace(b".", b"").isdigit():
                self.delays.append(time.time() - float(sent))

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_done") and not self._done.done():
            self._done.set_exception(ConnectionResetError("the connection was closed"))

    def close(self) -> None:
        """Leave."""
        self._transport.close()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
