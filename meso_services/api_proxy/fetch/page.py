"""Getting a page: hop by hop, each host and address checked, bytes and time bounded."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from meso_services.api_proxy.egress.addresses import Dialer
from meso_services.api_proxy.egress.hosts import Host, Rule, allowed
from meso_services.api_proxy.fetch.address import Address, redirected
from meso_services.runtime.errors import MesoError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {
    "user-agent": "meso-fetch/1",
    "accept": "text/html, application/xhtml+xml, application/json, text/*;q=0.9",
    "accept-encoding": "gzip, identity",
}
READABLE = ("text/", "application/json", "application/xml", "application/xhtml+xml")
_KIBI = 64 * 1024


@dataclass(frozen=True)
class Bounds:
    """Of one page."""

    max_bytes: int = 2 * 1024**2
    seconds: float = 20.0
    redirects: int = 5


@dataclass(frozen=True)
class Raw:
    """A page as it came: decompressed, cut at the bound."""

    address: Address
    status: int
    content_type: str
    charset: str
    body: bytes
    truncated: bool


@dataclass(frozen=True)
class Getter:
    """Gets pages from the hosts that `rules` name."""

    rules: Sequence[Rule]
    dialer: Dialer
    bounds: Bounds

    async def get(self, address: Address) -> Raw:
        """The page behind `address`. Raises MesoError `fetch.*` or `egress.*`."""
        import aiohttp  # noqa: PLC0415 (a proxy that fetches nothing does without its memory)

        try:
            async with asyncio.timeout(self.bounds.seconds), self._session() as session:
                return await self._hops(session, address)
        except TimeoutError:
            raise MesoError(
                "fetch.timeout",
                f"{address.host} took longer than {self.bounds.seconds:g} s",
                status=504,
            ) from None
        except aiohttp.ClientError as problem:
            # Our own refusal of an address comes wrapped in the library's error.
            if isinstance(cause := _ours(problem), MesoError):
                raise cause from None
            raise MesoError(
                "fetch.failed", f"{address.host}: {type(problem).__name__}", status=502
            ) from None

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415

        connector = aiohttp.TCPConnector(
            resolver=cast("AbstractResolver", _Checked(self.dialer)),
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers=HEADERS,
            max_line_size=16 * 1024,
            max_field_size=16 * 1024,
        )

    async def _hops(self, session: aiohttp.ClientSession, address: Address) -> Raw:
        for _ in range(self.bounds.redirects + 1):
            await self._check(address)
            async with session.get(address.url, allow_redirects=False) as answer:
                location = answer.headers.get("location")
                if answer.status not in REDIRECTS or location is None:
                    return await self._read(address, answer)
            address = redirected(address, location)
        raise MesoError(
            "fetch.redirects", f"more than {self.bounds.redirects} redirects", status=502
        )

    async def _check(self, address: Address) -> None:
        if not allowed(self.rules, address.host):
            raise MesoError(
                "fetch.not_allowed",
                f"the operator does not allow {address.host}",
                status=403,
                hint="services.api_proxy.fetch.allow names the hosts",
            )
        # An address in the URL is connected to as it stands; no look-up checks it.
        with contextlib.suppress(ValueError):
            literal = ipaddress.ip_address(address.host.name)
            if not self.dialer.permits(literal):
                raise MesoError(
                    "egress.address_private", f"{literal} is not a public address", status=403
                )

    async def _read(self, address: Address, answer: aiohttp.ClientResponse) -> Raw:
        kind = answer.content_type.lower()
        if not kind.startswith(READABLE) and not kind.endswith(("+json", "+xml")):
            raise MesoError(
                "fetch.content_type",
                f"{address.host} answered with {kind[:100]}, which is no text",
                status=415,
            )
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity", ""):
            raise MesoError(
                "fetch.encoding", f"content-encoding {encoding[:40]} was not asked for", status=502
            )
        pieces = answer.content.iter_chunked(_KIBI)
        body, more = await _bounded(pieces, encoding == "gzip", self.bounds.max_bytes)
        return Raw(address, answer.status, kind, answer.charset or "utf-8", body, more)


async def _bounded(pieces: AsyncIterator[bytes], packed: bool, most: int) -> tuple[bytes, bool]:
    """The first `most` bytes, unpacked, and whether there was more."""
    unpack = zlib.decompressobj(31) if packed else None
    body = bytearray()
    async for piece in pieces:
        try:
            body += unpack.decompress(piece, most + 1 - len(body)) if unpack else piece
        except zlib.error:
            raise MesoError(
                "fetch.encoding", "the page is not gzip as it says", status=502
            ) from None
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), False


def _ours(problem: BaseException) -> BaseException | None:
    """The first error of ours among the causes."""
    seen: BaseException | None = problem
    while seen is not None and not isinstance(seen, MesoError):
        seen = seen.__cause__ or seen.__context__ or getattr(seen, "os_error", None)
    return seen


class _Checked:
    """aiohttp's resolver: only addresses that may be connected to, so those are what it uses."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def resolve(
        self, host: str, port: int = 0, family: int = socket.AF_UNSPEC
    ) -> list[dict[str, object]]:
        found = await self._dialer.addresses(Host(host.lower().removesuffix("."), port or 443))
        return [
            {
                "hostname": host,
                "host": str(address),
                "port": port,
                "family": socket.AF_INET if address.version == 4 else socket.AF_INET6,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in found
            if family in (socket.AF_UNSPEC, 0)
            or (family == socket.AF_INET) == (address.version == 4)
        ]

    async def close(self) -> None:
        return
