"""Further sockets of a service, in a protocol of their own beside HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Protocol


class Door(Protocol):
    """One more socket, `/run/meso/NAME.sock`. The unit's `.socket` lists it too.

    `connected` serves one connection and closes it; it must bound its own time. A reload
    reaches a door through what the service keeps for the life of the process.
    """

    name: str

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""

    async def close(self) -> None:
        """The service stops: end what runs."""


def no_doors(_context: Any) -> Sequence[Door]:
    """What a service has that says nothing."""
    return ()


def no_listeners(_context: Any) -> Sequence[socket.socket]:
    """What a service has that says nothing."""
    return ()


async def serve_door(door: Door, listener: socket.socket) -> asyncio.AbstractServer:
    """Begin to serve `door` on a listening socket."""
    return await asyncio.start_unix_server(door.connected, sock=listener)
