"""A model API on loopback that speaks both real APIs, for tests and benches.

What it does follows from the request alone. The last user's text may hold `CALL NAME {JSON}`,
several times for parallel calls: the answer calls these tools, and the one after their results
says what they were. `SAY N` answers N words. The model `fault-NAME` shows a fault of FAULTS.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from meso_host.testing.model_faults import FAULTS
from meso_host.testing.model_words import Said, spoken

HEAD = b"\r\n\r\n"
# A model of this name streams if it is not asked to, and does not if it is.
OTHERWISE = "-contrary"
# A model of this name compresses its answer for a client that takes it so.
PACKED = "-packed"
_CALL = re.compile(r"CALL (\w+) (\{.*?\})(?=\s|$)")
_SAY = re.compile(r"SAY (\d+)")


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass
class ModelApi:
    """The server. `pause` is in seconds, between the events of a stream."""

    pause: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    cancelled: int = 0
    port: int = 0
    remember: bool = True
    _loop: asyncio.AbstractEventLoop = field(init=False, repr=False)
    _stopped: asyncio.Event = field(init=False, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, ready: threading.Event) -> None:
        """Serve until `stop` is called; the loop's end ends what still runs."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopped.wait()
        server.close()

    def stop(self) -> None:
        """End it, from another thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await _read(reader):
                if self.remember:
                    self.asked.append(asked)
                if not await self._answer(asked, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.cancelled += 1
        except asyncio.CancelledError:
            return
        finally:
            writer.close()

    async def _answer(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """True if the connection may be used again."""
        body = asked.body if asked.raw else {}
        model = str(body.get("model", ""))
        if fault := FAULTS.get(model.removeprefix("fault-")):
            await fault(asked.path, body, writer)
            return False
        words = spoken(asked.path, body)
        said = answer_to(body)
        if bool(body.get("stream")) == model.endswith(OTHERWISE):
            packed = model.endswith(PACKED) and "gzip" in asked.headers.get("accept-encoding", "")
            _whole(writer, json.dumps(words.whole(model, said)).encode(), packed=packed)
            await writer.drain()
            return True
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"request-id: req_stream\r\ncache-control: no-cache\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        async for event in self._paced(words.stream(model, said, body)):
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
            if reader.at_eof() or writer.transport.is_closing():
                raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _paced(self, events: Iterator[bytes]) -> AsyncIterator[bytes]:
        for event in events:
            yield event
            if self.pause:
                await asyncio.sleep(self.pause)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(HEAD)).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    pairs = [line.partition(":") for line in lines]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, raw)


def _whole(writer: asyncio.StreamWriter, body: bytes, *, packed: bool = False) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_whole\r\n"
    if packed:
        body, head = gzip.compress(body), head + b"content-encoding: gzip\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n%s" % (len(body), body))


def answer_to(body: dict[str, Any]) -> Said:
    """What the model says to a request."""
    messages = body.get("messages") or [{"role": "user", "content": str(body.get("input", ""))}]
    text, results = _latest(messages)
    if results:
        return Said(f"The tool said: {results[-1][:200]}")
    calls = [(name, json.loads(given)) for name, given in _CALL.findall(text)]
    if calls and body.get("tools"):
        return Said("", tuple(calls))
    if found := _SAY.search(text):
        return Said(" ".join(f"word{n}" for n in range(int(found[1]))))
    return Said("Hello there, this is the answer.", thinking="A short thought.")


def _latest(messages: list[Any]) -> tuple[str, list[str]]:
    """The last words of the user, and the results of tools after them."""
    texts: list[str] = []
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            break
        for part in _parts(message.get("content")):
            if message["role"] == "tool" or part.get("type") == "tool_result":
                results.append(_text(part))
            else:
                texts.append(_text(part))
    return "\n".join(texts), results


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _text(part: dict[str, Any]) -> str:
    inner = part.get("text", part.get("content", ""))
    return inner if isinstance(inner, str) else "".join(_text(item) for item in inner or [])


@contextmanager
def running(pause: float = 0.0, *, remember: bool = True, port: int = 0) -> Iterator[ModelApi]:
    """The server in a thread of its own, on a free port unless one is named; gone afterwards."""
    api = ModelApi(pause, remember=remember, port=port)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(api.serve(ready)), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield api
    finally:
        api.stop()
        thread.join(10)
