"""One POST to the operator's webhook, through the API proxy's egress door."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from meso_services.registry.door import Door

CALLER = "notify"


class _Tunnel(http.client.HTTPConnection):
    """HTTP over a connection that is there already."""

    def __init__(self, host: str, connection: socket.socket) -> None:
        super().__init__(host)
        self.sock = connection


def post(
    run: Path, url: str, document: dict[str, Any], context: ssl.SSLContext | None = None
) -> str:
    """Send `document` as JSON; what came of it, in words. Never raises for the network's sake.

    `run` is the directory of the sockets. Only HTTPS; redirects are not followed.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    body = json.dumps(document).encode()
    try:
        with (
            Door(run, CALLER).dial(host, port) as plain,
            (context or ssl.create_default_context()).wrap_socket(
                plain, server_hostname=host
            ) as secure,
        ):
            tunnel = _Tunnel(parts.netloc, secure)
            tunnel.request("POST", path, body, {"Content-Type": "application/json"})
            status = tunnel.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"the webhook at {host} was not told: {error}"
    return f"the webhook at {host} answered {status}"
