"""Brings a registry's files over a connection that somebody else opens.

One request a connection, no redirects, bounded in time: a server that sends one byte
a minute is as bad as one that sends none. The size is bounded by the TUF client.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

CHUNK = 64 * 1024
SILENCE_SECONDS = 15.0
FILE_SECONDS = 60.0
# A connected socket to a host and port. Raises OSError.
Dial = Callable[[str, int], socket.socket]


def direct(host: str, port: int) -> socket.socket:
    """For the operator's computer. Services have no network and go through the door."""
    return socket.create_connection((host, port), timeout=SILENCE_SECONDS)


class Fetcher(FetcherInterface):
    """HTTP and HTTPS over `dial`. `file_seconds` bounds one file as a whole."""

    def __init__(self, dial: Dial, *, file_seconds: float = FILE_SECONDS) -> None:
        self._dial = dial
        self._seconds = file_seconds

    def _fetch(self, url: str) -> Iterator[bytes]:
        deadline = time.monotonic() + self._seconds
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DownloadError(f"{url} is neither http nor https")
        connection = self._open(parts.scheme, parts.hostname, parts.port)
        try:
            connection.request("GET", parts.path or "/", headers={"User-Agent": "meso"})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise DownloadError(f"{url}: {error or type(error).__name__}") from None
        if answer.status != http.client.OK:
            connection.close()
            kind = f"{url}: HTTP {answer.status}"
            if answer.status >= http.client.INTERNAL_SERVER_ERROR:
                raise DownloadError(kind)
            raise DownloadHTTPError(kind, answer.status)
        return _body(connection, answer, url, deadline)

    def _open(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        secure = scheme == "https"
        port = port or (443 if secure else 80)
        try:
            raw = self._dial(host, port)
            raw.settimeout(SILENCE_SECONDS)
            if secure:
                raw = httpx.create_ssl_context().wrap_socket(raw, server_hostname=host)
        except OSError as error:
            raise DownloadError(f"{host}:{port}: {error}") from None
        connection = http.client.HTTPConnection(host, port)
        connection.sock = raw
        return connection


def _body(
    connection: http.client.HTTPConnection,
    answer: http.client.HTTPResponse,
    url: str,
    deadline: float,
) -> Iterator[bytes]:
    try:
        while chunk := answer.read1(CHUNK):
            if time.monotonic() > deadline:
                raise SlowRetrievalError(url)
            yield chunk
    except TimeoutError:
        raise SlowRetrievalError(url) from None
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
