"""A whole appliance's services in a directory, and the official MCP client to ask them."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

REPOSITORY = Path(__file__).parents[3]
BEHIND = ("session-manager", "memory-manager", "tool-executor", "operon-loader", "mcp")
Connect = Callable[..., AbstractAsyncContextManager[Client]]


def generation(root: Path) -> Path:
    """The starter genome as the current generation of `root`."""
    place = root / "nix/store/test-1"
    shutil.copytree(REPOSITORY / "genome", place / "genome")
    for part in ("zooids", "operons"):
        (place / "genome" / part).rename(place / part)
    (place / "config").mkdir()
    (root / "run/meso").mkdir(parents=True)
    (root / "run/meso/current").symlink_to(place)
    return place


@pytest.fixture(scope="module")
def appliance(shared_service: Any) -> Any:
    """All services that the MCP server speaks to, and it; keyed by id. A file shares them."""
    place = generation(shared_service("mcp", start=False).root)
    for name in BEHIND:
        (place / "config" / f"{name}.json").write_text("{}")
    running = {name: shared_service(name, start=False) for name in BEHIND}
    for one in running.values():
        one.launch()
    for one in running.values():
        one.wait_ready()
    return running


@pytest.fixture
def over_http(appliance: Any) -> Connect:
    """The official client over Streamable HTTP on the socket."""

    @asynccontextmanager
    async def connect(
        *, headers: dict[str, str] | None = None, **more: Any
    ) -> AsyncIterator[Client]:
        transport = httpx2.AsyncHTTPTransport(uds=str(appliance["mcp"].socket))
        async with contextlib.AsyncExitStack() as stack:
            http = await stack.enter_async_context(
                httpx2.AsyncClient(transport=transport, headers=headers, timeout=60)
            )
            stream = streamable_http_client("http://meso/mcp", http_client=http)
            yield await stack.enter_async_context(Client(stream, **more))

    return connect


@pytest.fixture
def over_stdio(appliance: Any) -> Connect:
    """The official client over the standard input and output of `meso mcp`."""

    @asynccontextmanager
    async def connect(*words: str, **more: Any) -> AsyncIterator[Client]:
        code = (
            "import sys; from meso_cli.verbs import mcp; from meso_cli.output import Output;"
            "import argparse; p = argparse.ArgumentParser(); mcp.configure(p);"
            "mcp.run(mcp.parse(p.parse_args(sys.argv[1:])), Output())"
        )
        program = StdioServerParameters(
            command=sys.executable,
            args=["-c", code, "--root", str(appliance["mcp"].root), *words],
            cwd=str(REPOSITORY),
        )
        async with Client(stdio_client(program), **more) as client:
            yield client

    return connect
