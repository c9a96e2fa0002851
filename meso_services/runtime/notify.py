"""Tell systemd how the service is: ready, reloading, stopping, alive."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Notifier:
    """Sends to `$NOTIFY_SOCKET`; without one, every call does nothing."""

    address: str | None
    watchdog_seconds: float | None = None

    @classmethod
    def from_environment(cls) -> Notifier:
        """Read what systemd passed. A watchdog meant for another process is not ours."""
        address = os.environ.get("NOTIFY_SOCKET")
        usec = os.environ.get("WATCHDOG_USEC", "")
        pid = os.environ.get("WATCHDOG_PID")
        mine = pid is None or pid == str(os.getpid())
        seconds = int(usec) / 1e6 if usec.isdigit() and mine and address else None
        return cls(address, seconds)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # systemd compares this with when it sent the signal, to tell a new reload from an old.
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=Reading the configuration")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Finishing the running requests")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # A manager that does not listen must not take the service down.
            try:
                sender.sendto("\n".join(lines).encode(), address)
            except OSError:
                return
