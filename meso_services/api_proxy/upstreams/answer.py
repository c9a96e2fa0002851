"""An upstream's answer, read within bounds."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from meso_services.api_proxy.buffers import Held
from meso_services.api_proxy.upstreams.connections import FailureError
from meso_services.api_proxy.upstreams.headers import READABLE, passing

if TYPE_CHECKING:
    import aiohttp

# How much of a compressed answer is unpacked at once.
STEP = 64 * 1024
GZIP_OR_ZLIB = 47


class Answer:
    """The head is here; the body is read once, by `whole` or by `pieces`."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float, limit: int) -> None:
        self._response, self._idle, self._limit = response, idle, limit
        self.status = response.status
        self.headers = list(
            passing(
                (n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in response.raw_headers
            )
        )
        self._closed = self._watched()

    def header(self, name: str) -> str:
        """One header's value, or ""."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def streams(self) -> bool:
        """True if the body is a stream of events."""
        return self.header("content-type").partition(";")[0].strip() == "text/event-stream"

    def close(self) -> None:
        """Leave the connection; what is still to come is not waited for."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        self._response.close()

    def _watched(self) -> asyncio.Future[None] | None:
        """Learn of the connection's end while the body is incomplete.

        aiohttp closes the connection at a chunk that is none, and tells nobody who reads.
        """
        connection = self._response.connection
        protocol = connection.protocol if connection is not None else None
        if self._response.content.is_eof() or protocol is None:
            return None
        closed = protocol.closed
        if closed is None:
            self._lost()
        else:
            closed.add_done_callback(self._lost)
        return closed

    def _lost(self, _: asyncio.Future[None] | None = None) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(ConnectionResetError("the connection ended before the body"))

    async def whole(self, held: Held) -> bytes:
        """The complete body as it came. Raises FailureError."""
        body = bytearray()
        async for piece in self._raw():
            if len(body) + len(piece) > self._limit:
                raise _too_large(self._limit)
            held.take(len(piece))
            body += piece
        self._response.release()
        return bytes(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, unpacked if it is packed. Raises FailureError."""
        if self.header("content-encoding") in ("", "identity"):
            async for piece in self._raw():
                yield piece
            return
        unpack = zlib.decompressobj(GZIP_OR_ZLIB)
        async for piece in self._raw():
            for part in _unpacked(unpack, piece):
                yield part
        if not unpack.eof:
            raise FailureError("proxy.upstream_cut", "ended its compressed answer early", 502)

    def unpacked(self, body: bytes) -> bytes | None:
        """The text of a complete body; None if it is packed in a way that we did not ask for.

        Raises FailureError if it is larger than it may be, or damaged.
        """
        encoding = self.header("content-encoding")
        if encoding in ("", "identity"):
            return body
        if encoding not in READABLE:
            return None
        unpack, found = zlib.decompressobj(GZIP_OR_ZLIB), bytearray()
        for part in _unpacked(unpack, body):
            found += part
            if len(found) > self._limit:
                raise _too_large(self._limit)
        if not unpack.eof:
            raise FailureError("proxy.upstream_cut", "ended its compressed answer early", 502)
        return bytes(found)

    async def _raw(self) -> AsyncIterator[bytes]:
        import aiohttp  # noqa: PLC0415

        content = self._response.content
        try:
            while not content.at_eof():
                if content.is_eof():
                    # All of it is here; to wait for it would cost a timer.
                    yield content.read_nowait()
                    continue
                async with asyncio.timeout(self._idle):
                    piece = await content.readany()
                if piece:
                    yield piece
        except TimeoutError as problem:
            raise FailureError(
                "proxy.upstream_timeout", f"sent nothing for {self._idle:g} s", 504
            ) from problem
        except (aiohttp.ClientError, ValueError, OSError) as problem:
            raise FailureError(
                "proxy.upstream_cut", "cut its answer, or was wrong about its length", 502
            ) from problem


def _unpacked(unpack: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Step by step, so that a small piece cannot become a large one in memory."""
    try:
        while True:
            part = unpack.decompress(data, STEP)
            data = unpack.unconsumed_tail
            if part:
                yield part
            if not data and len(part) < STEP:
                return
    except zlib.error as problem:
        raise FailureError(
            "proxy.upstream_malformed", "sent a damaged compressed answer", 502
        ) from problem


def _too_large(limit: int) -> FailureError:
    return FailureError("proxy.upstream_oversized", f"answered with more than {limit} bytes", 502)
