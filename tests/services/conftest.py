"""Start real services: real processes, real sockets, a root directory of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# A bound against hanging, not a measure: fifty sandboxes at once on a busy computer take a while.
CLIENT_SECONDS = 90
START_SECONDS = 30.0


@dataclass
class Running:
    """One service's process and a client for its socket. Paths are below `root`."""

    id: str
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    program: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)
    _begun: int = field(init=False, default=0)

    @property
    def socket(self) -> Path:
        return self.root / "run/meso" / f"{self.id}.sock"

    @property
    def log(self) -> str:
        """Everything the service wrote to stderr so far."""
        written = self.root / f"{self.id}.log"
        return written.read_text(errors="replace") if written.exists() else ""

    @property
    def client(self) -> httpx.Client:
        """A fresh HTTP client; close it or let it go."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://meso", timeout=CLIENT_SECONDS)

    def launch(self) -> None:
        """Start the process without waiting."""
        self._begun = len(self.log)
        own = ("-m", f"meso_services.{self.id.replace('-', '_')}")
        with (self.root / f"{self.id}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(self.program or own), "--root", str(self.root)],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self.environment},
                stdout=log,
                stderr=log,
                pass_fds=self.pass_fds,
            )

    def start(self) -> Running:
        """Start the process and wait until it answers."""
        self.launch()
        self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Wait until it says that it is ready and takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"{self.id} ended at its start:\n{self.log}"
            with socket.socket(socket.AF_UNIX) as probe:
                if "ready" in self.log[self._begun :] and not probe.connect_ex(str(self.socket)):
                    return
            time.sleep(0.02)
        raise AssertionError(f"{self.id} does not answer:\n{self.log}")

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> Running:
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def configure(self, settings: dict[str, Any], generation: str = "test-1") -> None:
        """Make a generation with these settings the current one; read at start and on reload."""
        place = self.root / "nix/store" / generation
        (place / "config").mkdir(parents=True, exist_ok=True)
        (place / "config" / f"{self.id}.json").write_text(json.dumps(settings))
        current = self.root / "run/meso/current"
        current.parent.mkdir(parents=True, exist_ok=True)
        current.unlink(missing_ok=True)
        current.symlink_to(place)

    def reload(self) -> None:
        """SIGHUP, and wait until it is done."""
        before = self.log.count("reloaded")
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + START_SECONDS
        while self.log.count("reloaded") == before:
            assert time.monotonic() < deadline, f"no reload:\n{self.log}"
            time.sleep(0.02)


StartService = Callable[..., Running]


@contextlib.contextmanager
def new_root() -> Iterator[Path]:
    """An empty directory that stands for `/`. Short, because a socket's path has a limit."""
    place = Path(tempfile.mkdtemp(prefix="meso-"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def starter(root: Path) -> Iterator[StartService]:
    """A function that starts services below `root`; they are gone afterwards."""
    started: list[Running] = []

    def begin(
        name: str, settings: dict[str, Any] | None = None, *, start: bool = True, **more: Any
    ) -> Running:
        running = Running(name, root, **more)
        started.append(running)
        if settings is not None:
            running.configure(settings)
        return running.start() if start else running

    yield begin
    for running in started:
        if hasattr(running, "process") and running.process.poll() is None:
            running.kill()  # a clean stop has tests of its own


@pytest.fixture
def root() -> Iterator[Path]:
    """The root of this test's services."""
    with new_root() as place:
        yield place


@pytest.fixture
def service(root: Path) -> Iterator[StartService]:
    """`service("session-manager", settings={...})` starts one, for this test alone."""
    with starter(root) as begin:
        yield begin


@pytest.fixture(scope="module")
def shared_service() -> Iterator[StartService]:
    """The same for all tests of a file that leave no trace which the others would see."""
    with new_root() as place, starter(place) as begin:
        yield begin
