"""Bytes both ways between two streams, bounded in number and time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

PIECE = 64 * 1024


@dataclass(frozen=True)
class Bounds:
    """Of one connection: bytes of both directions, seconds in all, seconds of silence."""

    max_bytes: int
    seconds: float
    idle_seconds: float


@dataclass
class Flow:
    """What went through. `why` says what ended it."""

    up: int = 0
    down: int = 0
    why: str = ""
    last: float = 0.0


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def carry(near: Stream, far: Stream, bounds: Bounds, flow: Flow) -> None:
    """Pass bytes on until both sides have ended, or a bound is reached. Counts into `flow`."""
    flow.last = time.monotonic()
    up = asyncio.create_task(_pump(near[0], far[1], "up", bounds, flow))
    down = asyncio.create_task(_pump(far[0], near[1], "down", bounds, flow))
    try:
        async with asyncio.timeout(bounds.seconds):
            await _both(up, down)
    except TimeoutError:
        flow.why = flow.why or "time"
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.wait([up, down])


async def _both(up: asyncio.Task[bool], down: asyncio.Task[bool]) -> None:
    running = {up, down}
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        # A half that ended in order leaves the other one open; anything else ends both.
        if not all(task.exception() is None and task.result() for task in done):
            return


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    way: str,
    bounds: Bounds,
    flow: Flow,
) -> bool:
    """One direction; True if it came to its own end."""
    try:
        while (data := await _piece(reader, bounds, flow)) is not None:
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                flow.why = flow.why or "end"
                return True
            setattr(flow, way, getattr(flow, way) + len(data))
            if flow.up + flow.down > bounds.max_bytes:
                flow.why = "bytes"
                return False
            writer.write(data)
            await writer.drain()
    except (OSError, RuntimeError):
        flow.why = "reset"
    return False


async def _piece(reader: asyncio.StreamReader, bounds: Bounds, flow: Flow) -> bytes | None:
    """The next bytes, b"" at the end, None after too long a silence of both sides."""
    while True:
        left = flow.last + bounds.idle_seconds - time.monotonic()
        if left <= 0:
            flow.why = "idle"
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                data = await reader.read(PIECE)
                flow.last = time.monotonic()
                return data
