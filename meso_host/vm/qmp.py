"""QEMU's control socket (QMP): one connection, commands and their answers."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from meso_host.errors import HostError


def connect_unix(path: Path, timeout: float) -> socket.socket:
    """Connect to a socket file of any path length (the kernel takes 107 bytes only)."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock


class Qmp:
    """A connection to the QEMU whose control socket is at `path`."""

    def __init__(self, path: Path, timeout: float = 20.0) -> None:
        try:
            self._socket = connect_unix(path, timeout)
        except OSError as error:
            raise HostError(
                "vm.no_control",
                f"QEMU's control socket {path} does not answer: {error}",
                remedy="Is the machine running? `meso vm NAME` starts it.",
            ) from error
        self._reader = self._socket.makefile("rb")
        try:
            self._read()
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command; its answer. Raises HostError when QEMU refuses it."""
        request = {"execute": command} | ({"arguments": arguments} if arguments else {})
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise HostError(
                    "vm.refused",
                    f"QEMU refused `{command}`: {answer['error'].get('desc')}",
                    remedy="See qemu.log in the machine's directory.",
                )

    def plug(self, connected: bool) -> None:
        """Plug the network cable in, or pull it out."""
        self.execute("set_link", name="nic", up=connected)

    def forward(self, port: int, to: int) -> None:
        """Let `port` on loopback lead to the guest's TCP port `to` as well."""
        line = f"hostfwd_add net tcp:127.0.0.1:{port}-:{to}"
        self.execute("human-monitor-command", **{"command-line": line})

    def _read(self) -> dict[str, Any]:
        try:
            line = self._reader.readline()
        except OSError as error:
            raise HostError(
                "vm.no_answer",
                f"QEMU's control socket does not answer: {error}",
                remedy="The computer may be very busy; try again.",
            ) from error
        if not line:
            raise HostError("vm.gone", "QEMU closed its control socket.", remedy="It has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Let another client connect."""
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
