"""The proxy on loopback TCP, for clients that know no UNIX socket; off unless a port is set."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def listeners(context: Context[Settings]) -> Sequence[socket.socket]:
    """The sockets of `tcp_port`. Raises `proxy.tcp_port` if IPv4's cannot be had."""
    port = context.settings.tcp_port
    return () if port is None else tuple(_bound(port))


def _bound(port: int) -> list[socket.socket]:
    made: list[socket.socket] = []
    for family, address in ADDRESSES:
        try:
            made.append(socket.create_server((address, port), family=family, backlog=256))
        except OSError as problem:
            if family == socket.AF_INET6 and made:
                break  # a machine without IPv6
            raise MesoError(
                "proxy.tcp_port",
                f"cannot listen on {address} port {port}: {problem.strerror}",
                hint="services.api_proxy.tcp_port",
            ) from problem
    for one in made:
        one.setblocking(False)
    return made
