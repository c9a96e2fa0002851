"""The events of one call, for those who follow it: bounded, whatever the call says.

The beginning is kept for whoever comes later. What comes after that is kept only while somebody
follows, and only the newest of it: who reads too slowly misses the middle, never the end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from meso_services.contract import tools as wire

# Characters of output that whoever comes late still gets, and that somebody may lag behind.
REPLAYED = 1 << 20
LAG = 4 << 20
# A piece of output may be one character long, and costs more than that.
_PIECE = 200


class Events:
    """What a call said, in order. The last is a `CallResult`."""

    def __init__(self) -> None:
        self._first: list[wire.CallEvent] = []
        self._later: deque[wire.CallEvent] = deque()
        self._later_from = 0
        self._kept = 0
        self._lagging = 0
        self._followers = 0
        self._news = asyncio.Event()

    @property
    def size(self) -> int:
        """Characters that are held, about."""
        return self._kept + self._lagging

    def say(self, event: wire.CallEvent) -> None:
        """Add an event, and wake those who follow."""
        size = _size(event)
        if isinstance(event, wire.CallOutput):
            full = self._kept + size > REPLAYED or bool(self._later_from)
            if full and not self._followers:
                return
        else:
            full = bool(self._later_from)
        self._later_add(event, size) if full else self._first_add(event, size)
        self._news.set()
        self._news = asyncio.Event()

    def _first_add(self, event: wire.CallEvent, size: int) -> None:
        self._first.append(event)
        self._kept += size

    def _later_add(self, event: wire.CallEvent, size: int) -> None:
        self._later_from = self._later_from or len(self._first)
        self._later.append(event)
        self._lagging += size
        while self._lagging > LAG and len(self._later) > 1:
            self._lagging -= _size(self._later.popleft())
            self._later_from += 1

    async def follow(self) -> AsyncIterator[wire.CallEvent]:
        """All that are held from the beginning, and then each as it comes, up to the result."""
        place = 0
        self._followers += 1
        try:
            while True:
                news = self._news
                while (event := self._at(place)) is not None:
                    place = self._after(place)
                    yield event
                    if event.event == "result":
                        return
                await news.wait()
        finally:
            self._followers -= 1

    def _at(self, place: int) -> wire.CallEvent | None:
        if place < len(self._first):
            return self._first[place]
        index = max(0, place - self._later_from)
        return self._later[index] if index < len(self._later) else None

    def _after(self, place: int) -> int:
        return place + 1 if place < len(self._first) else max(place, self._later_from) + 1


def _size(event: wire.CallEvent) -> int:
    return _PIECE + (len(event.text) if isinstance(event, wire.CallOutput) else 0)
