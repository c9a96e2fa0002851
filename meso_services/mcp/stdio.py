"""The MCP server on standard input and output: what `ssh HOST meso mcp` speaks."""

from __future__ import annotations

import anyio
from mcp.server.stdio import stdio_server

from meso_services.mcp.backend import Backend, Binding
from meso_services.mcp.server import Offer, build_server
from meso_services.mcp.settings import Settings
from meso_services.runtime.configuration import load_settings
from meso_services.runtime.paths import Paths


def configured(paths: Paths, session: str | None, branch: str | None) -> Offer:
    """What the current generation says; a session or branch that is given is pinned."""
    settings = load_settings(Settings, "mcp", paths).settings
    pinned = session is not None or branch is not None
    binding = Binding(session or settings.session, branch or settings.branch, pinned)
    return Offer(Backend(paths.run), binding, settings.groups)


def serve(offer: Offer) -> None:
    """Serve one client until it closes standard input."""
    anyio.run(_serve, offer)


async def _serve(offer: Offer) -> None:
    server = build_server(offer)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
