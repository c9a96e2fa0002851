"""The client's side of a request, without a framework in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from meso_services.api_proxy.buffers import Held
from meso_services.api_proxy.faces.face import Face
from meso_services.runtime.errors import MesoError
from meso_services.runtime.limits import ClientGoneError

Pairs = Iterable[tuple[str, str]]
# Of a stranger's body.
THROWN_BYTES, THROWN_SECONDS = 1 << 20, 2.0


class CutError(ClientGoneError):
    """The answer cannot be completed: the connection closes without its proper end."""


def headers_of(scope: Scope) -> list[tuple[str, str]]:
    """The request's headers; names are in lower case."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


async def body_of(receive: Receive, held: Held) -> bytes:
    """The request's body. Raises ClientGoneError, or `service.busy`."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message.get("body", b"")
        held.take(len(piece))
        pieces.append(piece)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def thrown_away(receive: Receive) -> None:
    """Take what is left of a body, within bounds, and keep nothing of it: a connection that is
    closed with unread bytes is reset, and the client would not see why it was refused."""
    left = THROWN_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(THROWN_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))


class Client:
    """Where the answer goes. `began` is true as soon as its head is on the way."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.began = False
        self.finished = False

    async def whole(self, status: int, headers: Pairs, body: bytes) -> None:
        """A complete answer."""
        pairs = [(n, v) for n, v in headers if n != "content-length"]
        await self.start(status, [*pairs, ("content-length", str(len(body)))])
        await self.end(body)

    async def start(self, status: int, headers: Pairs) -> None:
        """The head."""
        self.began = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def more(self, body: bytes) -> None:
        """A piece of the body; returns when the client can take the next one."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """The last piece."""
        self.finished = True
        await self._send({"type": "http.response.body", "body": body})

    async def refuse(self, face: Face, error: MesoError) -> None:
        """An error of ours, in the words of the face."""
        self._scope["meso.code"] = error.code
        body = json.dumps(face.body(error)).encode()
        headers = {"content-type": "application/json", **error.headers}
        await self.whole(error.status, headers.items(), body)


class Watch:
    """Cancels the task that serves a request when its client goes away."""

    def __init__(self, receive: Receive, client: Client) -> None:
        self._client = client
        self._task = asyncio.current_task()
        self.gone = False
        self._watching: asyncio.Future[Message] = asyncio.ensure_future(receive())
        self._watching.add_done_callback(self._told)

    def _told(self, watching: asyncio.Future[Message]) -> None:
        if watching.cancelled() or self._client.finished or watching.exception() is not None:
            return
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    def stop(self) -> None:
        """The request is served."""
        self._watching.remove_done_callback(self._told)
        self._watching.cancel()

    def forgive(self) -> None:
        """The cancellation was ours, and is dealt with."""
        if self._task is not None:
            self._task.uncancel()
