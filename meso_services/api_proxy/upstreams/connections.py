"""Connections to upstreams: kept open, bounded in time, never led elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from meso_services.api_proxy.upstreams.plan import Outgoing

if TYPE_CHECKING:
    import aiohttp

_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# Longest status line and header of an answer.
MAX_LINE = 32 * 1024
READ_AHEAD = 64 * 1024


class FailureError(Exception):
    """An upstream could not be asked, or its answer ended early. `code` is stable."""

    def __init__(self, code: str, words: str, status: int) -> None:
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


class Connections:
    """Lives as long as the process and costs nothing until the first request."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._guard: asyncio.Task[None] | None = None

    async def send(
        self, outgoing: Outgoing, connect: float, answer: float
    ) -> aiohttp.ClientResponse:
        """POST; returns when the answer's head is here. Raises FailureError.

        `connect` and `answer` are seconds: for the connection, and until the head.
        """
        import aiohttp  # noqa: PLC0415
        from multidict import CIMultiDict  # noqa: PLC0415
        from yarl import URL  # noqa: PLC0415

        try:
            async with asyncio.timeout(answer):
                return await self._session(outgoing.socket).post(
                    URL(outgoing.url, encoded=True),
                    data=outgoing.body,
                    headers=CIMultiDict(outgoing.headers),
                    # Whoever follows a redirect can be led into this network.
                    allow_redirects=False,
                    ssl=self._trusted if outgoing.url.startswith("https:") else True,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
                )
        except TimeoutError as problem:
            raise FailureError("proxy.upstream_timeout", "did not answer in time", 504) from problem
        except aiohttp.ClientConnectorError as problem:
            raise FailureError("proxy.upstream_unreachable", "cannot be reached", 502) from problem
        except aiohttp.ServerDisconnectedError as problem:
            raise FailureError(
                "proxy.upstream_cut", "closed the connection without an answer", 502
            ) from problem
        except (aiohttp.ClientError, ValueError, OSError) as problem:
            raise FailureError(
                "proxy.upstream_malformed", "answered with something that is not HTTP", 502
            ) from problem

    def _session(self, socket: str | None) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415

        name = socket or ""
        if name not in self._sessions:
            self._sessions[name] = aiohttp.ClientSession(
                connector=self._connector(socket),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OURS,
                # No proxy from the environment: it goes where the operator said.
                trust_env=False,
                max_line_size=MAX_LINE,
                max_field_size=MAX_LINE,
                read_bufsize=READ_AHEAD,
            )
        if self._guard is None:
            self._guard = asyncio.create_task(self._close_at_the_end())
        return self._sessions[name]

    def _connector(self, socket: str | None) -> aiohttp.BaseConnector:
        import aiohttp  # noqa: PLC0415

        if socket is not None:
            return aiohttp.UnixConnector(str(self._sockets / f"{socket}.sock"), limit=0)
        # The pipeline bounds how many requests run; a second bound would only add a queue.
        return aiohttp.TCPConnector(limit=0, keepalive_timeout=30)

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        import certifi  # noqa: PLC0415

        return ssl.create_default_context(cafile=certifi.where())

    async def _close_at_the_end(self) -> None:
        # The loop cancels this task when it ends, and waits for it.
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        for session in self._sessions.values():
            await session.close()
