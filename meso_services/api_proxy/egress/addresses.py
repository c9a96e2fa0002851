"""Which addresses may be connected to: public ones, and what the operator names besides.

The check is on the address that the connection goes to, never on the name, and the name is
looked up once: a second answer (DNS rebinding) has nobody who asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from meso_services.api_proxy.egress.hosts import Host
from meso_services.runtime.errors import MesoError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[Host], Awaitable[Sequence[Address]]]
# Global unicast; everything else that is assigned in IPv6 is special.
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Tunnels that lead to an IPv4 address written inside; nobody needs them any more.
_TUNNELS = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))
MAX_LOOKUPS = 16
MAX_TRIED = 4
_DISCARD = 9


def is_public(address: Address) -> bool:
    """True for an address that is the same host from everywhere on the internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST or any(address in tunnel for tunnel in _TUNNELS):
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def is_own(address: Address) -> bool:
    """True for an address of this machine itself, public or not. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), _DISCARD))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0]) == address


async def look_up(host: Host) -> Sequence[Address]:
    """The system's answer. Raises OSError."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError):
        return [ipaddress.ip_address(host.name)]
    found = await loop.run_in_executor(_threads(), _getaddrinfo, host)
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def _getaddrinfo(host: Host) -> list[tuple[object, object, object, object, tuple[str, ...]]]:
    found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    return [(*entry[:4], tuple(map(str, entry[4]))) for entry in found]


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the loop's own: a name server that is silent would keep everything else waiting.
    return ThreadPoolExecutor(MAX_LOOKUPS, "lookup")


@dataclass(frozen=True)
class Dialer:
    """Opens connections to hosts, within the rules for addresses.

    `networks` may be reached although they are not public. `resolve` is the name look-up.
    """

    networks: tuple[Network, ...] = ()
    seconds: float = 10.0
    resolve: Resolve = look_up

    async def dial(self, host: Host) -> tuple[socket.socket, Address]:
        """A connected socket, non-blocking, and the address it goes to.

        Raises MesoError `egress.name_unknown`, `egress.address_private`, `egress.unreachable`
        or `egress.timeout`.
        """
        try:
            async with asyncio.timeout(self.seconds):
                return await self._first(host, await self.addresses(host))
        except TimeoutError:
            raise MesoError(
                "egress.timeout", f"{host} did not answer within {self.seconds:g} s", status=504
            ) from None

    async def addresses(self, host: Host) -> list[Address]:
        """The host's addresses that may be reached; at least one."""
        try:
            found = await self.resolve(host)
        except (OSError, UnicodeError, ValueError):
            found = []
        if not found:
            raise MesoError("egress.name_unknown", f"{host.name} has no address", status=502)
        good = [address for address in found if self.permits(address)]
        if not good:
            raise MesoError(
                "egress.address_private",
                f"{host.name} is at {found[0]}, which is not a public address",
                status=403,
                hint="services.api_proxy.egress.networks names the networks that may be reached "
                "besides",
            )
        return good[:MAX_TRIED]

    def permits(self, address: Address) -> bool:
        """True if the address may be connected to."""
        plain = getattr(address, "ipv4_mapped", None) or address
        if any(plain in network for network in self.networks if network.version == plain.version):
            return True
        return is_public(address) and not is_own(plain)

    async def _first(
        self, host: Host, addresses: Sequence[Address]
    ) -> tuple[socket.socket, Address]:
        problem: OSError | None = None
        for number, address in enumerate(addresses):
            # One dead address must not use up the time of those behind it.
            share = self.seconds / (len(addresses) - number)
            try:
                async with asyncio.timeout(share if number + 1 < len(addresses) else None):
                    return await _connect(address, host.port), address
            except (OSError, TimeoutError) as failed:
                problem = failed
        raise MesoError(
            "egress.unreachable",
            f"{host} at {addresses[-1]}: {(problem and problem.strerror) or 'no answer'}",
            status=502,
        )


async def _connect(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, (str(address), port))
    except BaseException:
        made.close()
        raise
    return made
