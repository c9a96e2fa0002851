"""Whose turn it is: start-time fair queueing over a number of places.

Each client's requests carry a virtual start: where its last one ended, or now if it was idle.
The waiting request with the smallest start goes next. A client's starts move on by the size of
its requests over its weight, so one that asks much waits longer, and none waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from meso_services.api_proxy.care.interface import RefusalError


@dataclass(frozen=True)
class Share:
    """What one client may have: places at once, requests that wait, weight."""

    concurrent: int
    waiting: int
    weight: float = 1.0


@dataclass(eq=False)
class _Waiter:
    start: float
    turn: asyncio.Future[None]


@dataclass(eq=False)
class _Line:
    """One client's requests. `end` is the virtual time at which its last one is over."""

    share: Share
    end: float = 0.0
    running: int = 0
    waiters: deque[_Waiter] = field(default_factory=deque)


class FairQueue:
    """`places` requests run at once. For one event loop."""

    def __init__(self, places: int, wait_seconds: float) -> None:
        self.places = places
        self.wait_seconds = wait_seconds
        self.running = 0
        self._now = 0.0
        self._lines: dict[str, _Line] = {}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(len(line.waiters) for line in self._lines.values())

    def lines(self) -> dict[str, tuple[int, int]]:
        """Client → how many of its requests run, how many wait."""
        return {name: (line.running, len(line.waiters)) for name, line in self._lines.items()}

    async def enter(self, client: str, size: float, share: Share) -> bool:
        """Wait for a place; True if there was a wait, so that others ran meanwhile. `size` is
        how much the request asks for, in any one unit.

        Raises RefusalError `limit.queue_full` or `limit.queue_time`. Afterwards `leave` is due.
        """
        line = self._lines.setdefault(client, _Line(share))
        line.share = share
        must_wait = not self._has_room(line) or bool(line.waiters) or self._others_first(line)
        if must_wait and len(line.waiters) >= share.waiting:
            raise RefusalError(
                "limit.queue_full",
                f"{len(line.waiters)} requests of {client} wait already",
                status=429,
                hint="services.api_proxy.limits says how many run and how many wait",
                retry_after=2.0,
            )
        start = max(self._now, line.end)
        line.end = start + max(size, 1.0) / share.weight
        if must_wait:
            await self._wait(client, line, start)
        else:
            self._begin(line, start)
        return must_wait

    def leave(self, client: str) -> None:
        """Give the place back."""
        line = self._lines[client]
        line.running -= 1
        self.running -= 1
        self.call()
        self._forget(client, line)

    def call(self) -> None:
        """Let in whoever has a place now."""
        while (line := self._next()) is not None:
            waiter = line.waiters.popleft()
            # One that was cancelled has not heard of it yet.
            if not waiter.turn.done():
                self._begin(line, waiter.start)
                waiter.turn.set_result(None)

    def _next(self) -> _Line | None:
        ready = [line for line in self._lines.values() if line.waiters and self._has_room(line)]
        return min(ready, key=lambda line: line.waiters[0].start, default=None)

    def _has_room(self, line: _Line) -> bool:
        return self.running < self.places and line.running < line.share.concurrent

    def _others_first(self, line: _Line) -> bool:
        return any(o.waiters and self._has_room(o) for o in self._lines.values() if o is not line)

    def _begin(self, line: _Line, start: float) -> None:
        self._now = max(self._now, start)
        line.running += 1
        self.running += 1

    async def _wait(self, client: str, line: _Line, start: float) -> None:
        waiter = _Waiter(start, asyncio.get_running_loop().create_future())
        line.waiters.append(waiter)
        # A reload may have made room since somebody left.
        self.call()
        try:
            async with asyncio.timeout(self.wait_seconds):
                await waiter.turn
        except TimeoutError:
            self._withdraw(client, line, waiter)
            raise RefusalError(
                "limit.queue_time",
                f"no place became free within {self.wait_seconds:g} s",
                status=429,
                retry_after=self.wait_seconds / 4,
            ) from None
        except asyncio.CancelledError:
            self._withdraw(client, line, waiter)
            raise

    def _withdraw(self, client: str, line: _Line, waiter: _Waiter) -> None:
        if waiter in line.waiters:
            line.waiters.remove(waiter)
            self._forget(client, line)
        elif waiter.turn.done() and not waiter.turn.cancelled():
            # Its turn came in the same moment.
            self.leave(client)

    def _forget(self, client: str, line: _Line) -> None:
        """An idle client that is owed nothing and owes nothing needs no memory."""
        if not line.running and not line.waiters and line.end <= self._now:
            self._lines.pop(client, None)
        if not self.running and not self.waiting:
            # Nobody is there: virtual time has no meaning and begins anew.
            self._lines.clear()
            self._now = 0.0
