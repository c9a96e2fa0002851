"""What upstreams do wrong, one function each, on the wire as it really is."""

from __future__ import annotations

import asyncio
import functools
import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

Writer = asyncio.StreamWriter
Fault = Callable[[str, dict[str, Any], Writer], Awaitable[None]]
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_HANG_SECONDS = 60
BOMB_BYTES = 64 << 20


def _first(path: str) -> bytes:
    """The first event of a stream in the words of the path's API."""
    if path.startswith("/v1/messages"):
        usage = {"input_tokens": 3, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_f",
            "type": "message",
            "role": "assistant",
            "model": "m",
        }
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        data = json.dumps({"type": "message_start", "message": message})
        return f"event: message_start\ndata: {data}\n\n".encode()
    choice = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps(chunk | {'choices': [choice]})}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _json(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n%s" % (status, more)
    return head + b"content-length: %d\r\n\r\n%s" % (len(body), body)


def _said(data: bytes) -> Fault:
    async def fault(path: str, body: dict[str, Any], writer: Writer) -> None:
        writer.write(data)
        await writer.drain()

    return fault


def _streamed(rest: bytes, *, end: bool = False) -> Fault:
    """A stream that begins well and goes on with `rest`."""

    async def fault(path: str, body: dict[str, Any], writer: Writer) -> None:
        writer.write(_STREAM + _chunk(_first(path)))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write((_chunk(rest) if rest else b"") + (b"0\r\n\r\n" if end else b""))
        await writer.drain()

    return fault


def _error_later(*, error: bytes) -> Fault:
    """A stream that begins well and then says that something went wrong."""

    async def fault(path: str, body: dict[str, Any], writer: Writer) -> None:
        head = b"event: error\n" if path.startswith("/v1/messages") else b""
        event = head + b"data: " + error + b"\n\n"
        await _streamed(event, end=True)(path, body, writer)

    return fault


async def _endless_head(path: str, body: dict[str, Any], writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(20_000):
        writer.write(b"x-%d: %s\r\n" % (number, b"y" * 1000))
        await writer.drain()


async def _hang(path: str, body: dict[str, Any], writer: Writer) -> None:
    await asyncio.sleep(_HANG_SECONDS)


def _broken_off(rest: bytes) -> Fault:
    """A stream that begins well; then come bytes that are no chunk."""

    async def fault(path: str, body: dict[str, Any], writer: Writer) -> None:
        writer.write(_STREAM + _chunk(_first(path)))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(rest)
        await writer.drain()

    return fault


async def _stall(path: str, body: dict[str, Any], writer: Writer) -> None:
    writer.write(_STREAM + _chunk(_first(path)))
    await writer.drain()
    await asyncio.sleep(_HANG_SECONDS)


async def _endless_event(path: str, body: dict[str, Any], writer: Writer) -> None:
    writer.write(_STREAM + _chunk(_first(path)) + _chunk(b"data: "))
    piece = _chunk(b"x" * 65536)
    for _ in range(4096):
        writer.write(piece)
        await writer.drain()


async def _oversized(path: str, body: dict[str, Any], writer: Writer) -> None:
    writer.write(_json(b"200 OK", b"").replace(b"content-length: 0", b"content-length: 999999999"))
    for _ in range(4096):
        writer.write(b" " * 65536)
        await writer.drain()


@functools.cache
def packed() -> bytes:
    """A small answer that becomes a large one; it takes a moment to make."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    pieces = [squeeze.compress(b" " * (1 << 20)) for _ in range(BOMB_BYTES >> 20)]
    return b"".join([*pieces, squeeze.flush()])


async def _bomb(path: str, body: dict[str, Any], writer: Writer) -> None:
    writer.write(_json(b"200 OK", packed(), b"content-encoding: gzip\r\n"))
    await writer.drain()


_ERROR_INSIDE = json.dumps(
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded inside"}}
).encode()

FAULTS: dict[str, Fault] = {
    "hang": _hang,
    "no-answer": _said(b""),
    "not-http": _said(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "not-json": _said(_json(b"200 OK", b"<html>log in</html>")),
    "empty": _said(_json(b"200 OK", b"")),
    "cut-body": _said(_json(b"200 OK", b'{"id"').replace(b"length: 5", b"length: 500")),
    "short-length": _said(_json(b"200 OK", b'{"id": 1}').replace(b"length: 9", b"length: 4")),
    "redirect": _said(
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest\r\n"
        b"content-length: 0\r\n\r\n"
    ),
    "error-in-200": _said(_json(b"200 OK", _ERROR_INSIDE)),
    "error-first": _said(
        _STREAM + _chunk(b"event: error\ndata: " + _ERROR_INSIDE + b"\n\n") + b"0\r\n\r\n"
    ),
    "overloaded": _said(_json(b"529 Overloaded", _ERROR_INSIDE)),
    "slow-down": _said(_json(b"429 Too Many Requests", _ERROR_INSIDE, b"retry-after: 1\r\n")),
    "come-back-tomorrow": _said(
        _json(b"429 Too Many Requests", _ERROR_INSIDE, b"retry-after: 86400\r\n")
    ),
    "bad-request": _said(
        _json(
            b"400 Bad Request",
            b'{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}',
        )
    ),
    "odd-status": _said(_json(b"999 Request Denied", b"{}")),
    "switching": _said(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"),
    "no-content": _said(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "endless-head": _endless_head,
    "no-gzip": _said(_json(b"200 OK", b'{"id": 1}', b"content-encoding: gzip\r\n")),
    "deep": _said(_json(b"200 OK", b"[" * 200_000)),
    "error-later": _error_later(error=_ERROR_INSIDE),
    "bad-chunk": _broken_off(b"zz\r\nno length\r\n"),
    "cut-stream": _streamed(b""),
    "early-end": _streamed(b"", end=True),
    "half-event": _streamed(b'event: content_block_delta\ndata: {"type": "conte'),
    "broken-event": _streamed(b"data: {not json}\n\n", end=True),
    "not-utf8": _streamed(b'data: {"a": "\xff"}\n\n', end=True),
    "stall": _stall,
    "endless-event": _endless_event,
    "oversized": _oversized,
    "bomb": _bomb,
}
