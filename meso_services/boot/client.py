"""Asks a service over its socket, with nothing but the standard library.

`meso status` runs at every login and on the console, so it starts in
milliseconds: no HTTP library is loaded for one GET.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

MAX_REPLY = 1 << 20
CHUNK = 1 << 16


class UnreachableError(Exception):
    """The service did not answer; the text says why."""


def get(path: Path, target: str, timeout: float) -> tuple[int, Any]:
    """GET `target` over the socket `path` → (HTTP status, decoded JSON body).

    `timeout` is in seconds for the whole exchange. Raises UnreachableError.
    """
    try:
        return _parse(_exchange(path, target, time.monotonic() + timeout))
    except TimeoutError as error:
        raise UnreachableError(f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise UnreachableError(error.strerror or str(error)) from error
    except ValueError as error:
        raise UnreachableError(f"the answer is not valid: {error}") from error


def _exchange(path: Path, target: str, deadline: float) -> bytes:
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_left(deadline))
        connection.connect(str(path))
        connection.sendall(request.encode("ascii"))
        reply = bytearray()
        while chunk := connection.recv(CHUNK):
            reply += chunk
            if len(reply) > MAX_REPLY:
                raise ValueError("it is longer than 1 MiB")
            connection.settimeout(_left(deadline))
    return bytes(reply)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _parse(reply: bytes) -> tuple[int, Any]:
    head, separator, body = reply.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if not separator or len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("it is not HTTP")
    if b"transfer-encoding:" in head.lower():
        raise ValueError("it comes in chunks")
    return int(words[1]), json.loads(body)
