"""Pass a request to an upstream and its answer back, both byte for byte."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from meso_services.api_proxy.settings import Settings, Upstream
from meso_services.api_proxy.upstreams import key_of
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

if TYPE_CHECKING:
    import httpx

# Headers that belong to one connection, not to the message (RFC 9110, 7.6.1), and those that
# the next connection sets itself.
_OWN_TO_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authenticate", "proxy-authorization"),
        *("host", "content-length", "expect", "date", "server"),
    }
)
_KEYS = frozenset({"authorization", "x-api-key"})
_log = Log("meso.proxy")


class Forwarder:
    """Holds the connections to upstreams. Costs nothing until the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @functools.cached_property
    def _client(self) -> httpx.AsyncClient:
        # Imported here: a proxy without upstreams does without its memory and start time.
        import httpx  # noqa: PLC0415

        settings = self._settings
        return httpx.AsyncClient(
            # No proxy from the environment, no redirect: it goes where the operator said.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(settings.idle_seconds, connect=settings.connect_seconds),
            limits=httpx.Limits(max_connections=settings.max_requests),
        )

    async def send(self, upstream: Upstream, request: Request, body: bytes) -> Response:
        """Ask `upstream`; the answer streams as it comes.

        Raises `proxy.upstream_unreachable` or `proxy.upstream_timeout`, never after the first
        byte of the answer.
        """
        import httpx  # noqa: PLC0415

        query = f"?{request.url.query}" if request.url.query else ""
        outgoing = self._client.build_request(
            request.method,
            f"{upstream.url.rstrip('/')}{request.url.path}{query}",
            headers=request_headers(request.headers, upstream, key_of(upstream)),
            content=body,
        )
        try:
            answer = await self._client.send(outgoing, stream=True)
        except httpx.TimeoutException as problem:
            raise _failed(
                upstream, "proxy.upstream_timeout", "did not answer in time", 504
            ) from problem
        except httpx.HTTPError as problem:
            raise _failed(
                upstream, "proxy.upstream_unreachable", "cannot be reached", 502
            ) from problem
        _log.info("forwarded", upstream=upstream.name, status=answer.status_code)
        return StreamingResponse(
            _pass_on(answer),
            status_code=answer.status_code,
            headers=_passing(answer.headers),
        )


async def _pass_on(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def request_headers(
    given: Mapping[str, str], upstream: Upstream, key: str | None
) -> dict[str, str]:
    """The headers to send: the caller's own, with the operator's key in place of the caller's."""
    headers = _passing(given)
    if key is None:
        return headers
    headers = {name: value for name, value in headers.items() if name not in _KEYS}
    if upstream.kind == "anthropic":
        headers["x-api-key"] = key
    else:
        headers["authorization"] = f"Bearer {key}"
    return headers


def _passing(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    dropped = _OWN_TO_CONNECTION | named
    return {name: value for name, value in headers.items() if name.lower() not in dropped}


def _failed(upstream: Upstream, code: str, what: str, status: int) -> MesoError:
    return MesoError(
        code,
        f"upstream {upstream.name} {what}",
        status=status,
        hint=f"Check its url and the network; it is {upstream.url}",
    )
