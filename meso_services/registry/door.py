"""The way out of a service without a network: the API proxy's egress door."""

from __future__ import annotations

import socket
from pathlib import Path

from meso_services.contract.client import CallError, Connection
from meso_services.contract.egress import Grant, GrantRequest

MAX_HEAD = 8 * 1024
_SECONDS = 20.0
GRANT_SECONDS = 300


class Door:
    """Opens connections for one purpose. `run` is the directory of the sockets."""

    def __init__(self, run: Path, caller: str) -> None:
        self._run = run
        self._caller = caller
        self._tokens: dict[str, str] = {}

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection to a host that the operator's list has. Raises OSError with the reason."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if place not in self._tokens:
            self._tokens[place] = self._grant(place)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_SECONDS)
            connection.connect(str(self._run / "egress.sock"))
            _connect(connection, place, self._tokens[place])
        except BaseException:
            connection.close()
            raise
        return connection

    def _grant(self, place: str) -> str:
        wanted = GrantRequest(caller=self._caller, hosts=(place,), seconds=GRANT_SECONDS)
        try:
            with Connection("api-proxy", self._run, timeout=_SECONDS, patience=0) as proxy:
                return proxy.post("/v1/egress/grants", wanted, Grant, once=True).token
        except CallError as error:
            raise OSError(f"no way out: {error.info.message} ({error.code})") from None


def _connect(connection: socket.socket, place: str, token: str) -> None:
    lines = (f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"Proxy-Authorization: Bearer {token}")
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii"))
    said = b""
    # Byte by byte: what follows the head belongs to the host.
    while not said.endswith(b"\r\n\r\n"):
        if not (byte := connection.recv(1)) or len(said) > MAX_HEAD:
            raise OSError("the egress door closed the connection")
        said += byte
    status = said.split(b"\r\n", 1)[0].decode("ascii", "replace")
    if " 200 " not in f"{status} ":
        rest = connection.recv(2048).decode(errors="replace")
        raise OSError(f"the egress door refused {place}: {status} {rest}".strip())
