"""Streamable HTTP on the service's socket. The manager starts with the first request."""

from __future__ import annotations

import asyncio
import contextlib

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send


class Endpoint:
    """The ASGI application of `/mcp`.

    The SDK's manager wants to live in one task from start to end; the chassis builds
    applications before the loop runs, so that task begins when it is first needed.
    """

    def __init__(self, server: Server, *, clients: int, idle_seconds: int, body: int) -> None:
        self._manager = StreamableHTTPSessionManager(
            server,
            session_idle_timeout=idle_seconds,
            max_sessions=clients,
            max_request_body_size=body,
        )
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._started is None:
            self._started = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._live(self._started))
        await self._started.wait()
        await self._manager.handle_request(scope, receive, send)

    async def _live(self, started: asyncio.Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async with self._manager.run():
                started.set()
                await asyncio.Event().wait()
