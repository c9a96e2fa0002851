"""Requests through the API proxy, round by round, and whether its memory stays what it was.

A round is a thousand requests of every sort: whole answers and streams, passed on and
translated, refused ones, and clients that go away in the middle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from meso_host.bench import proxy as bench
from meso_host.bench.proxy_load import Asker, Way
from meso_host.testing.local import started

ROUND = 1000
CONNECTIONS = 32
GONE = 20
# So many requests belong to one session.
SESSION = 10
# The figure of the goal, and what counts as flat from the first rounds to the last.
MOST_MIB = 80.0
FLAT_MIB = 4.0
# After so many rounds all is loaded, and what is bounded has reached its bounds.
WARM = 50


@dataclass(slots=True)
class Tally:
    """What the rounds have shown so far. `resident` is in MiB, after each round."""

    requests: int = 0
    gone: int = 0
    resident: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def first(self) -> float:
        """Resident memory once it was warm, in MiB."""
        return self.resident[self.warm - 1]

    @property
    def warm(self) -> int:
        """The round after which it counts as warm; in a short campaign that is the middle."""
        return max(1, min(WARM, len(self.resident) // 2))

    def facts(self) -> dict[str, int]:
        """The figures, by what they count."""
        return {
            "requests of every sort": self.requests,
            "of these, clients that went away in the middle": self.gone,
            f"resident memory after {self.warm * ROUND} requests, KiB": (round(self.first * 1024)),
            "resident memory at the end, KiB": round(self.resident[-1] * 1024),
            "the most that it was after any round, KiB": round(max(self.resident) * 1024),
        }


def campaign(root: Path, go_on: Callable[[int], bool]) -> Tally:
    """Ask as long as `go_on(rounds)`; a wrong answer ends it."""
    tally = Tally()
    with bench.upstream() as port:
        bench.configure(root, port)
        with started("api-proxy", root) as proxy:
            socket = str(root / "run/meso/api-proxy.sock")
            while not tally.failures and go_on(len(tally.resident)):
                try:
                    asyncio.run(_round(tally, socket))
                except (RuntimeError, OSError) as problem:
                    tally.failures.append(f"after {tally.requests} requests: {problem}")
                tally.resident.append(bench.resident(proxy.pid))
    if max(tally.resident) > MOST_MIB:
        tally.failures.append(f"{max(tally.resident):.1f} MiB are more than {MOST_MIB:g}")
    if (grown := tally.resident[-1] - tally.first) > FLAT_MIB:
        tally.failures.append(f"{grown:.1f} MiB grown since it was warm")
    return tally


def _ways(socket: str) -> Iterator[Way]:
    """One for each connection."""
    whole, translated = Way(socket), Way(socket, "/v1/chat/completions")
    sorts = (
        *(whole, whole, translated, whole),
        *(whole, translated, Way(socket, stream=True), Way(socket, model="", status=400)),
    )
    return islice(cycle(sorts), CONNECTIONS)


async def _round(tally: Tally, socket: str) -> None:
    askers = [Asker(way) for way in _ways(socket)]
    for asker in askers:
        await asker.open()
    left = iter(range(ROUND - GONE))

    async def work(asker: Asker) -> None:
        for _ in left:
            tally.requests += 1
            await asker.ask(f"soak-{tally.requests // SESSION}")

    try:
        await asyncio.gather(*(work(asker) for asker in askers))
    finally:
        for asker in askers:
            asker.close()
    for _ in range(GONE):
        tally.requests += 1
        tally.gone += await _gone(socket)


async def _gone(socket: str) -> int:
    """A client that leaves at the first byte of a stream."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(Way(socket, stream=True).request())
    first = await reader.read(1)
    writer.transport.abort()
    return len(first)
