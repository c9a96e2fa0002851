"""A program's pipes beside the event loop.

asyncio's own pipe transports keep a descriptor registered until they are closed. The pipes
here belong to a program that may be killed at any moment: a descriptor that is closed while
the loop still watches it is opened again by the next program, whose output the loop then
never sees. So nothing stays registered here: a descriptor is watched only while somebody
waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import IO, Any

CHUNK = 64 << 10


async def chunks(stream: IO[bytes]) -> AsyncIterator[bytes]:
    """What the program writes, as it comes, up to the end of the stream."""
    loop, descriptor = asyncio.get_running_loop(), stream.fileno()
    os.set_blocking(descriptor, False)
    while True:
        # Waits first, also where more is there already: a flood must not hold the loop.
        await _ready(descriptor, loop.add_reader, loop.remove_reader)
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue
        if not data:
            return
        yield data


async def feed(stream: IO[bytes], data: bytes) -> None:
    """Write `data` and close the stream. A program that reads none of it is no mistake."""
    loop, descriptor = asyncio.get_running_loop(), stream.fileno()
    os.set_blocking(descriptor, False)
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError):
        while rest:
            await _ready(descriptor, loop.add_writer, loop.remove_writer)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(descriptor, rest[:CHUNK]) :]
    stream.close()


async def ended(child: subprocess.Popen[bytes]) -> None:
    """Return when the program has ended. It is not reaped."""
    loop = asyncio.get_running_loop()
    handle = os.pidfd_open(child.pid)
    try:
        await _ready(handle, loop.add_reader, loop.remove_reader)
    finally:
        os.close(handle)


async def _ready(descriptor: int, watch: Callable[..., Any], unwatch: Callable[[int], Any]) -> None:
    ready = asyncio.get_running_loop().create_future()
    watch(descriptor, _settle, ready)
    try:
        await ready
    finally:
        unwatch(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
