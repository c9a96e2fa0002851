"""Carries calls to the nodes, one at a time and in order; a node that is away is asked again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from meso_services.api_proxy.edge.queue import Queue
from meso_services.api_proxy.upstreams.keys import key_of
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.contract.edge import EdgeCall
from meso_services.runtime.logging import Log

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
CALL_SECONDS = 300.0
MOST_RESULT = 256 * 1024
_log = Log("meso.proxy.edge")


class AwayError(Exception):
    """The node cannot be reached; nothing was sent."""


class Courier:
    """Lives as long as the process. `nodes` are those of the settings in force."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.nodes: dict[str, Upstream] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}

    def use(self, nodes: Sequence[Upstream]) -> None:
        """Take over the nodes of a new configuration."""
        self.nodes = {node.name: node for node in nodes}

    def start(self) -> None:
        """Begin to carry, on the running loop; what runs already goes on."""
        for name in self.nodes:
            if name not in self._rounds:
                self._wake[name] = asyncio.Event()
                self._rounds[name] = asyncio.create_task(self._round(name))

    def wake(self, node: str) -> None:
        """There is something new for a node."""
        self.start()
        if node in self._wake:
            self._wake[node].set()

    async def _round(self, name: str) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                for call in self.queue.listed(name, "queued"):
                    await self._carry(call)
                pause = FIRST_PAUSE
                await self._wake[name].wait()
                self._wake[name].clear()
            except AwayError as problem:
                _log.info("a node is away", node=name, reason=str(problem), again=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as problem:
                _log.exception("a call could not be carried", problem, node=name)
                await asyncio.sleep(LONGEST_PAUSE)

    async def _carry(self, call: EdgeCall) -> None:
        if call.expires <= datetime.now(UTC):
            self.queue.change(call, state="expired", problem="the node was away for too long")
            return
        node = self.nodes.get(call.node)
        if node is None:
            self.queue.change(call, state="failed", problem="the node is not configured any more")
            return
        from mcp import Client  # noqa: PLC0415 (large, and most appliances have no nodes)

        async with _transport(node) as transport:
            client = Client(transport, read_timeout_seconds=CALL_SECONDS)
            try:
                await client.__aenter__()
            except Exception as problem:
                self.queue.change(call, tries=call.tries + 1, problem=_words(problem))
                raise AwayError(_words(problem)) from problem
            try:
                await self._deliver(call, client)
            finally:
                await client.__aexit__(None, None, None)

    async def _deliver(self, call: EdgeCall, client: Any) -> None:
        # Written before it is sent: after a crash it is never sent a second time.
        call = self.queue.change(call, state="delivering", tries=call.tries + 1, problem="")
        try:
            found = await client.call_tool(call.command, dict(call.arguments))
        except Exception as problem:
            self.queue.change(call, state="unknown", problem=_words(problem))
            return
        result = found.model_dump(mode="json", exclude_none=True)
        if len(json.dumps(result)) > MOST_RESULT:
            self.queue.change(call, state="failed", problem="the result is too large to be kept")
            return
        failed = bool(result.get("isError") or result.get("is_error"))
        self.queue.change(call, state="failed" if failed else "done", result=result)
        _log.info("carried", node=call.node, command=call.command, call=call.id, failed=failed)


def _transport(node: Upstream) -> Any:
    import httpx2  # noqa: PLC0415
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

    key = key_of(node)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    http = httpx2.AsyncClient(headers=headers, trust_env=False, timeout=CALL_SECONDS)
    return _Once(streamable_http_client(node.url, http_client=http), http)


class _Once:
    """A transport that the client opens itself; afterwards its HTTP client is closed."""

    def __init__(self, transport: Any, http: Any) -> None:
        self._transport, self._http = transport, http

    async def __aenter__(self) -> Any:
        return self._transport

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


def _words(problem: BaseException) -> str:
    inner = problem
    while isinstance(inner, BaseExceptionGroup) and inner.exceptions:
        inner = inner.exceptions[0]
    return (str(inner) or type(inner).__name__)[:300]
