"""HTTP on the socket: uvicorn's protocol, with the peer's identity and limits it lacks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from meso_services.runtime.errors import MesoError, standard_body
from meso_services.runtime.joined import JoinedTransport
from meso_services.runtime.peer import PEER_KEY, Peer, peer_of

# Longest request head in bytes; more is a mistake or an attack.
MAX_HEAD = 64 * 1024
# A client that has connected is about to ask. So long it may take when the service stops.
FIRST_REQUEST_SECONDS = 1.0


@dataclass(frozen=True)
class ConnectionLimits:
    """Read again for each connection, so that a reload takes effect without a restart."""

    max_connections: int
    header_timeout: float
    keep_alive: int


@dataclass(frozen=True)
class WithPeer:
    """The application, told who is calling."""

    app: ASGI3Application
    peer: Peer | None

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        # Not a header: no client can forge it.
        cast(dict[str, Any], scope)[PEER_KEY] = self.peer
        await self.app(scope, receive, send)


class MesoProtocol(H11Protocol):
    """One connection. Refuses one too many, and a client that does not finish its head."""

    # Set once by the service before it listens; uvicorn builds protocols with fixed arguments.
    limits: Callable[[], ConnectionLimits]
    draining = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoinedTransport(transport, self.loop))
        limits = type(self).limits()
        self.timeout_keep_alive = limits.keep_alive
        self._header_timeout = limits.header_timeout
        self._header_timer: asyncio.TimerHandle | None = None
        connection = transport.get_extra_info("socket")
        self.app = WithPeer(self.app, peer_of(connection))
        if len(self.connections) > limits.max_connections:
            self._refuse(
                MesoError(
                    "service.too_many_connections",
                    f"{limits.max_connections} connections are open already",
                    status=503,
                    hint="try again shortly, or raise the setting max_connections",
                    headers={"retry-after": "1"},
                )
            )
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._serving():
            self._expect_head()
        super().data_received(data)
        if self._serving():
            self._forget_head()
            # One more request is served while the service stops, not one after the other.
            self.cycle.keep_alive &= not type(self).draining

    def shutdown(self) -> None:
        # Closing now would lose a request that is on its way: the client would see a reset.
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(FIRST_REQUEST_SECONDS, self._close_if_unused)
        else:
            super().shutdown()

    def _close_if_unused(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def on_response_complete(self) -> None:
        # A refused upload is not read to its end: nobody knows how long that would take.
        if self.cycle.more_body:
            self.transport.close()
        super().on_response_complete()

    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._header_timeout, self._head_is_late)

    def _forget_head(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _head_is_late(self) -> None:
        self._header_timer = None
        if not self._serving():
            self._refuse(
                MesoError(
                    "request.timeout",
                    f"no complete request head within {self._header_timeout:g} s",
                    status=408,
                )
            )

    def send_400_response(self, msg: str) -> None:
        # Called inside uvicorn's `except`: h11 says which status fits (431 for a long head).
        problem = sys.exc_info()[1]
        status = int(getattr(problem, "error_status_hint", 400))
        self._refuse(MesoError("request.malformed", str(problem or msg), status=status))

    def _refuse(self, error: MesoError) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps(standard_body(error, "")).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **error.headers,
        }
        head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()
