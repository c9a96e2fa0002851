"""What the services take on this computer: time to start, memory when idle, time to answer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.testing.local import started
from meso_services.boot.machine import SERVICES
from meso_services.contract.client import Connection, SessionManager, message
from meso_services.contract.common import Message
from meso_services.contract.session import CreateSession

IDLE_MEMORY = Against("bound", "goal for the six together", 350)
CLIENTS = 16
APPENDS = 400
ASKED = 300


class Anything(Message, extra="ignore"):
    """A reply that is only timed."""


def run(note: Note) -> Iterator[Record]:
    """Start all six in a directory of their own, and measure them there."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meso-")))
        running = []
        for service in SERVICES:
            note(f"starting {service}")
            began = time.monotonic()
            running.append(stack.enter_context(started(service, root)))
            yield Record(f"{service}: start to first answer", time.monotonic() - began, "s")
        memory = [_resident(child.pid) for child in running]
        for service, used in zip(SERVICES, memory, strict=True):
            yield Record(f"{service}: memory, idle", used, "MiB")
        yield Record("memory of the six, idle", sum(memory), "MiB", IDLE_MEMORY)
        note("asking")
        yield from _answers(root / "run/meso")
        note("appending")
        yield from _appends(root)


def _resident(pid: int) -> float:
    """Resident memory in MiB, pages that are shared counted in full."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _answers(sockets: Path) -> Iterator[Record]:
    with Connection("session-manager", sockets) as connection:
        times = _timed(lambda: connection.get("/v1/sessions", Anything), ASKED)
    yield Record("a request's answer, median", 1000 * _at(times, 0.5), "ms")
    yield Record("a request's answer, 99th percentile", 1000 * _at(times, 0.99), "ms")


def _appends(root: Path) -> Iterator[Record]:
    """Durable appends, beside what the disk itself does with lines of the same length."""
    bare = _bare(root / "bare")
    alone, times = _append(root, 1)
    together, _ = _append(root, CLIENTS)
    disk = Against("peer", "write and fsync alone", bare)
    yield Record("durable appends, one client", alone, "a second", disk, more_is_better=True)
    yield Record("a durable append, 99th percentile", 1000 * _at(times, 0.99), "ms")
    name = f"durable appends, {CLIENTS} clients in sessions of their own"
    yield Record(name, together, "a second", disk, more_is_better=True)


def _append(root: Path, clients: int) -> tuple[float, list[float]]:
    """Appends a second over all clients, and the time of each in seconds."""
    each = APPENDS // clients

    def work(_: int) -> list[float]:
        with Connection("session-manager", root / "run/meso") as connection:
            manager = SessionManager(connection)
            session = manager.create(CreateSession()).id
            return _timed(lambda: manager.append(session, message("user", "x" * 200)), each)

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        times = [one for found in pool.map(work, range(clients)) for one in found]
    return len(times) / (time.monotonic() - began), times


def _bare(path: Path) -> float:
    with path.open("wb", buffering=0) as file:

        def append() -> None:
            file.write(b"x" * 350 + b"\n")
            os.fsync(file.fileno())

        return APPENDS / sum(_timed(append, APPENDS))


def _timed(work: Callable[[], object], count: int) -> list[float]:
    """How long each of `count` calls took, in seconds."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _at(times: list[float], part: float) -> float:
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]
