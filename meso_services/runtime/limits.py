"""The gate in front of an application: identity, limits, time and one log line per request."""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meso_services.runtime.errors import MesoError, standard_body
from meso_services.runtime.logging import Log, request_id
from meso_services.runtime.peer import PEER_KEY, Peer

ErrorBody = Callable[[MesoError, str], dict[str, Any]]
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/openapi.json"})
# Ids tell requests apart and are no secret: one call of the system for all of them.
_ids = random.Random(secrets.randbits(128))  # noqa: S311
_log = Log("meso.request")


@dataclass(frozen=True)
class RequestLimits:
    """Bounds of one request, from the settings in force."""

    max_body_bytes: int
    max_requests: int
    idle_timeout: float


@dataclass(frozen=True)
class Live:
    """What serves now. A reload replaces the whole; a request keeps the one it began with."""

    app: ASGIApp
    limits: RequestLimits
    error_body: ErrorBody = standard_body


class Gate:
    """ASGI application that passes each request to the live one."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._running = 0
        self._last_used = time.monotonic()

    def idle_seconds(self) -> float:
        """How long ago the last request ended; 0 while one runs. Health checks do not count."""
        return 0.0 if self._running else time.monotonic() - self._last_used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(self.live, scope, receive, send)
        token = request_id.set(exchange.id)
        self._running += 1
        try:
            await exchange.run(self._running)
        finally:
            self._running -= 1
            if scope["path"] not in _QUIET:
                self._last_used = time.monotonic()
            exchange.log()
            request_id.reset(token)


class Exchange:
    """One request and its answer."""

    def __init__(self, live: Live, scope: Scope, receive: Receive, send: Send) -> None:
        self._live, self._scope = live, scope
        self._receive, self._send = receive, send
        self._began = time.perf_counter()
        self._received = 0
        self._complete = False
        self._refusal: MesoError | None = None
        self._status = 0
        self._code = ""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        usable = _GIVEN_ID.fullmatch(given)
        self.id: str = given.decode() if usable else f"{_ids.getrandbits(64):016x}"
        self._announced = headers.get(b"content-length", b"")

    async def run(self, running: int) -> None:
        """Serve the request; whatever happens, the client gets an answer in the error shape."""
        limits = self._live.limits
        if running > limits.max_requests:
            await self._answer(_busy(limits.max_requests))
            return
        if self._announced.isdigit() and int(self._announced) > limits.max_body_bytes:
            await self._answer(_too_large(limits.max_body_bytes))
            return
        try:
            await self._live.app(self._scope, self.receive, self.send)
        except Exception as problem:
            await self._failed(problem)

    async def _failed(self, problem: Exception) -> None:
        if isinstance(problem, ClientGoneError):
            return
        if self._refusal is None:
            _log.exception("the request failed", problem, path=self._scope["path"])
            self._code = "internal"
        if not self._status:
            await self._answer(self._refusal or internal_error())

    async def receive(self) -> Message:
        """Hand the body on, counting it and how long the client is silent."""
        if self._complete:
            return await self._receive()
        limits = self._live.limits
        try:
            async with asyncio.timeout(limits.idle_timeout):
                message = await self._receive()
        except TimeoutError:
            self._refusal = _silent(limits.idle_timeout)
            raise self._refusal from None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        if self._received > limits.max_body_bytes:
            self._refusal = _too_large(limits.max_body_bytes)
            raise self._refusal
        return message

    async def send(self, message: Message) -> None:
        """Hand the answer on; a reader that takes nothing is dropped after the idle time."""
        starts = message["type"] == "http.response.start"
        if self._refusal is not None:
            # The framework saw an unreadable body and says so in its own words; ours are better.
            if starts:
                await self._answer(self._refusal)
            return
        if starts:
            self._status = message["status"]
            self._code = self._scope.get("meso.code", "")
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.id.encode())]
        await self._bounded(message)

    async def _bounded(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._live.limits.idle_timeout):
                await self._send(message)
        except TimeoutError:
            self._code = "client.stalled"
            raise ClientGoneError from None

    async def _answer(self, error: MesoError) -> None:
        body = json.dumps(self._live.error_body(error, self._scope["path"])).encode()
        self._status, self._code = error.status, error.code
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": self.id,
            **error.headers,
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._bounded({"type": "http.response.start", "status": error.status, "headers": raw})
        await self._bounded({"type": "http.response.body", "body": body})

    def log(self) -> None:
        """Write the request's one line."""
        peer = self._scope.get(PEER_KEY)
        quiet = self._scope["path"] in _QUIET and self._status < 400
        (_log.debug if quiet else _log.info)(
            "request",
            request=self.id,
            method=self._scope["method"],
            path=self._scope["path"],
            status=self._status,
            code=self._code or None,
            ms=round((time.perf_counter() - self._began) * 1000, 1),
            uid=peer.uid if isinstance(peer, Peer) else None,
            bytes=self._received or None,
        )


class ClientGoneError(Exception):
    """The client does not take its answer; there is nobody to tell."""


def internal_error() -> MesoError:
    """The answer to what nobody expected; what it was stands in the journal only."""
    return MesoError(
        "internal",
        "the service made a mistake; this request had no further effect that is known",
        status=500,
        hint="look for the request id in the journal",
    )


def _busy(limit: int) -> MesoError:
    return MesoError(
        "service.busy",
        f"{limit} requests are being served already",
        status=503,
        hint="try again shortly, or raise the setting max_requests",
        headers={"retry-after": "1"},
    )


def _too_large(limit: int) -> MesoError:
    return MesoError(
        "request.too_large",
        f"the request body is larger than {limit} bytes",
        status=413,
        hint="send less at once, or raise the setting max_body",
        detail={"limit_bytes": limit},
        headers={"connection": "close"},
    )


def _silent(seconds: float) -> MesoError:
    return MesoError(
        "request.timeout",
        f"the client sent nothing for {seconds:g} s in the middle of its request",
        status=408,
        headers={"connection": "close"},
    )
