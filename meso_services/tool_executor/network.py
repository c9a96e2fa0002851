"""Named hosts for one call: a grant of the API proxy's egress door, and the way to it.

The sandbox has no network but a loopback of its own. For a call with granted hosts, the door's
socket is shown in it, and a small forwarder inside connects it to 127.0.0.1, where programs
expect a proxy. The door checks each connection against the grant and the operator's list.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from pydantic import ValidationError

from meso_services.contract.client import NO_TLS
from meso_services.contract.common import ErrorReply
from meso_services.contract.egress import Grant, GrantRequest
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.tool_executor.walls import PACKAGE, Walls

PORT = 3128
DOOR = "/run/egress.sock"
_TIMEOUT = 10.0
_log = Log("meso.tools")


@dataclass(frozen=True)
class Way:
    """How a call reaches its hosts; without any, it changes nothing."""

    environment: Mapping[str, str] = field(default_factory=dict)
    door: Path | None = None

    def argv(self, command: Sequence[str]) -> list[str]:
        """The command, started by the forwarder once that listens."""
        if self.door is None:
            return list(command)
        return ["/usr/bin/python3", "-I", "-S", "-B", f"{PACKAGE}/forward.py", *command]

    def walls(self, walls: Walls) -> Walls:
        """The walls, with the door in them."""
        if self.door is None:
            return walls
        binds = (*walls.binds, (self.door, DOOR))
        return replace(walls, binds=binds, environment={**walls.environment, **self.environment})


@dataclass(frozen=True)
class Network:
    """The API proxy, by the directory of the sockets."""

    run: Path

    @contextlib.asynccontextmanager
    async def granted(self, hosts: Sequence[str], seconds: int) -> AsyncIterator[Way]:
        """A way to `hosts`, closed at the end. Raises `tools.no_network`."""
        if not hosts:
            yield Way()
            return
        grant = await self._grant(hosts, seconds)
        proxy = f"http://meso:{grant.token}@127.0.0.1:{PORT}"
        names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        try:
            yield Way(dict.fromkeys(names, proxy), self.run / "egress.sock")
        finally:
            await self._end(grant)

    async def _grant(self, hosts: Sequence[str], seconds: int) -> Grant:
        wanted = GrantRequest(caller="tool-executor", hosts=tuple(hosts), seconds=seconds + 10)
        try:
            async with self._client() as client:
                answer = await client.post("/v1/egress/grants", json=wanted.model_dump())
        except httpx.TransportError as error:
            raise _refused(f"the API proxy does not answer: {type(error).__name__}") from None
        if not answer.is_success:
            raise _refused(_said(answer))
        return Grant.model_validate_json(answer.content)

    async def _end(self, grant: Grant) -> None:
        # It ends by itself, only later.
        try:
            async with self._client() as client:
                await client.delete(f"/v1/egress/grants/{grant.token}")
        except httpx.TransportError as error:
            _log.warning("a grant was not ended", grant=grant.id, reason=type(error).__name__)

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self.run / "api-proxy.sock"), verify=NO_TLS)
        return httpx.AsyncClient(transport=transport, base_url="http://meso", timeout=_TIMEOUT)


def _said(answer: httpx.Response) -> str:
    try:
        return ErrorReply.model_validate_json(answer.content).error.message
    except ValidationError:
        return f"HTTP {answer.status_code}"


def _refused(why: str) -> MesoError:
    return MesoError(
        "tools.no_network",
        f"the egress door grants nothing, so nothing was run: {why}",
        status=503,
        hint="the hosts must stand in services.api_proxy.egress.allow, too",
    )
