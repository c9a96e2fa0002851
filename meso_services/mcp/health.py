"""Does the MCP server answer, and do the services behind it?"""

from __future__ import annotations

from mcp import Client

from meso_services.mcp.server import Offer, build_server
from meso_services.runtime.health import Check, Finding, in_thread

BEHIND = ("tool-executor", "session-manager", "memory-manager", "operon-loader")


def checks(offer: Offer) -> list[Check]:
    """A client in this process asks for the tools; the services behind it may be restarting."""
    return [
        Check("protocol", lambda: _protocol(offer)),
        Check("services", in_thread(lambda: _services(offer)), required=False),
    ]


async def _protocol(offer: Offer) -> Finding:
    own = Offer(offer.backend, offer.binding, [g for g in offer.groups if g != "executor"])
    async with Client(build_server(own)) as client:
        listed = await client.list_tools()
        return Finding(True, f"{client.protocol_version}, {len(listed.tools)} operations")


def _services(offer: Offer) -> Finding:
    missing = [name for name in BEHIND if not (offer.backend.run / f"{name}.sock").exists()]
    return Finding(not missing, f"no socket of {', '.join(missing)}" if missing else "")
