"""The API proxy: what it adds to a request, how many it serves, and what it takes, beside LiteLLM.

Direct and proxied requests take turns in one run, so that a busy computer slows both. The proxy
has one core for itself where there are two; the client and the server share the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from meso_host.bench import proxy_peer
from meso_host.bench.areas import Note
from meso_host.bench.proxy_load import EVENTS, PAUSE, Asker, Way
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_host.testing.local import started
from meso_services.runtime import process

TURNS = 1500
CONNECTIONS = 32
REQUESTS = 5000
LONG = 20_000
STREAMS = 10
WARM = 50


def run(note: Note) -> Iterator[Record]:
    """Start everything on loopback and measure it there."""
    with ExitStack() as stack:
        port = stack.enter_context(upstream())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meso-")))
        configure(root, port)
        proxy = stack.enter_context(started("api-proxy", root))
        _pin(proxy.pid)
        socket = str(root / "run/meso/api-proxy.sock")
        note("asking, direct and through the proxy in turns")
        yield from _added("", Way(port), Way(socket))
        translated = Way(socket, "/v1/chat/completions")
        yield from _added(", translated", Way(port), translated)
        note("streaming")
        yield from _streamed(Way(port, stream=True), Way(socket, stream=True))
        note("32 connections")
        served = asyncio.run(_rate(Way(socket), REQUESTS))
        goal = Against("bound", "goal", 500)
        name = f"requests at {CONNECTIONS} connections, on one core"
        yield Record(name, served, "a second", goal, more_is_better=True)
        note(f"{LONG} requests")
        before = resident(proxy.pid)
        asyncio.run(_rate(Way(socket), LONG))
        after = resident(proxy.pid)
        yield Record(f"memory after {LONG} requests", after, "MiB", Against("bound", "goal", 80))
        grown = Against("bound", "flat", 4)
        yield Record("memory grown in these", after - before, "MiB", grown)
        yield from proxy_peer.run(note, port, served, after, _peer_figures)


def _peer_figures(port: int, upstream: int, path: str) -> tuple[float, float]:
    """Median time added by a peer, in seconds, and its requests a second."""
    direct, through = asyncio.run(_turns(Way(upstream), Way(port, path), 200))
    return at(through, 0.5) - at(direct, 0.5), asyncio.run(_rate(Way(port, path), 500))


def _added(what: str, direct: Way, through: Way) -> Iterator[Record]:
    times = asyncio.run(_turns(direct, through, TURNS))
    for part, goal, name in ((0.5, 1.0, "median"), (0.99, 4.0, "99th percentile")):
        added = 1000 * (at(times[1], part) - at(times[0], part))
        bound = Against("bound", "goal", goal)
        yield Record(f"added to the first byte{what}, {name}", added, "ms", bound)


async def _turns(direct: Way, through: Way, count: int) -> tuple[list[float], list[float]]:
    askers = Asker(direct), Asker(through)
    for asker in askers:
        await asker.open()
    for number in range(count + WARM):
        for asker in askers:
            if number == WARM:
                asker.times.clear()
            await asker.ask()
    for asker in askers:
        asker.close()
    return askers[0].times, askers[1].times


async def _rate(way: Way, count: int) -> float:
    """Requests a second over all connections."""
    askers = [Asker(way) for _ in range(CONNECTIONS)]
    for asker in askers:
        await asker.open()
        await asker.ask()
    left = iter(range(count))

    async def work(asker: Asker) -> None:
        for _ in left:
            await asker.ask()

    began = time.perf_counter()
    await asyncio.gather(*(work(asker) for asker in askers))
    took = time.perf_counter() - began
    for asker in askers:
        asker.close()
    return count / took


def _streamed(direct: Way, through: Way) -> Iterator[Record]:
    """How much later an event is there, and whether any waited for the next one."""
    askers = Asker(direct), Asker(through)

    async def ask() -> None:
        for asker in askers:
            await asker.open()
        for _ in range(STREAMS):
            for asker in askers:
                await asker.ask()

    asyncio.run(ask())
    late, base = (at(asker.delays, 0.5) for asker in reversed(askers))
    bound = Against("bound", "goal", 1.0)
    yield Record("added to an event of a stream, median", 1000 * (late - base), "ms", bound)
    held = sum(delay >= PAUSE for delay in askers[1].delays)
    events = STREAMS * EVENTS
    name = f"events of {events} that came no sooner than the next one was sent"
    beside = sum(delay >= PAUSE for delay in askers[0].delays)
    yield Record(name, held, "events", Against("peer", "direct", beside))


@contextmanager
def upstream() -> Iterator[int]:
    child = process.start(
        [sys.executable, "-m", "meso_host.bench.proxy_load"],
        cwd=tree.TOP,
        stdout=subprocess.PIPE,
    )
    try:
        if child.stdout is None:
            raise ValueError("no pipe")
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def configure(root: Path, port: int) -> None:
    settings = {
        "upstreams": [{"name": "near", "kind": "anthropic", "url": f"http://127.0.0.1:{port}"}],
        "limits": {"requests_per_minute": 0, "concurrent": 64, "concurrent_all": 64},
        "log_level": "warning",
    }
    place = root / "nix/store/bench"
    (place / "config").mkdir(parents=True)
    (place / "config/api-proxy.json").write_text(json.dumps(settings), encoding="utf-8")
    current = root / "run/meso/current"
    current.parent.mkdir(parents=True)
    current.symlink_to(place)


def _pin(pid: int) -> None:
    """One core for the proxy, the others for client and server."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, cores[:1])


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def at(times: Sequence[float], part: float) -> float:
    """The value below which that part of them lies."""
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]
