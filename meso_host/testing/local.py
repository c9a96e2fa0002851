"""A service as a process on this computer, with a directory that stands for `/`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from meso_host.errors import HostError
from meso_host.setup import tree
from meso_services.contract.client import CallError, Connection
from meso_services.runtime import process

# Long, because a campaign runs beside other work, at the lowest priority.
START_SECONDS = 600.0
PAUSE_SECONDS = 0.01


class Local:
    """One service below `root`, started and ended as often as wanted."""

    def __init__(
        self, service: str, root: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.service = service
        self._environment = {"MALLOC_ARENA_MAX": "2", **(environment or {})}
        self.sockets = root / "run/meso"
        self._root = root
        self._child: Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs now."""
        if self._child is None:
            raise ValueError(f"{self.service} is not running")
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it has answered. Raises HostError."""
        module = f"meso_services.{self.service.replace('-', '_')}"
        self._child = process.start(
            [sys.executable, "-m", module, "--root", str(self._root)],
            cwd=tree.TOP,
            env=self._environment,
        )
        deadline = time.monotonic() + START_SECONDS
        with Connection(self.service, self.sockets) as connection:
            while self._child.poll() is None and time.monotonic() < deadline:
                try:
                    connection.health(deep=True)
                    return
                except CallError:
                    time.sleep(PAUSE_SECONDS)
        raise HostError(
            "service.silent",
            f"{self.service} did not answer within {START_SECONDS:g} s.",
            remedy=f"Run `python3 -m {module} --root DIR` to see what it says.",
        )

    def kill(self) -> None:
        """End it without a warning, as a crash does."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()


@contextmanager
def started(
    service: str, root: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Local]:
    """The service, running; gone afterwards."""
    local = Local(service, root, environment)
    try:
        local.start()
        yield local
    finally:
        local.kill()
