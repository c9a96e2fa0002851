"""A program's pipes: read as it writes, fed as it reads, and never watched longer than that."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import IO

import pytest

from meso_services.tool_executor import pipes

PATIENCE = 20.0


def pipe() -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0)


async def everything(stream: IO[bytes]) -> bytes:
    return b"".join([data async for data in pipes.chunks(stream)])


async def cancelled(work: asyncio.Task[object]) -> None:
    # Long enough that it waits for the pipe.
    await asyncio.sleep(0.01)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


def test_a_new_pipe_under_the_number_of_a_cancelled_one_is_read() -> None:
    """asyncio's own transports lose its data: they still watch the number."""

    async def use() -> None:
        reading, writing = pipe()
        number = reading.fileno()
        await cancelled(asyncio.ensure_future(everything(reading)))
        reading.close()
        writing.close()
        reading, writing = pipe()
        assert reading.fileno() == number
        writing.write(b"heard")
        writing.close()
        assert await asyncio.wait_for(everything(reading), PATIENCE) == b"heard"

    asyncio.run(use())


def test_a_new_pipe_under_the_number_of_one_that_was_not_read_is_fed() -> None:
    async def use() -> None:
        for _ in range(2):
            reading, writing = pipe()
            numbers = (reading.fileno(), writing.fileno())
            await cancelled(asyncio.ensure_future(pipes.feed(writing, b"unread" * 50_000)))
            reading.close()
            writing.close()
        reading, writing = pipe()
        assert (reading.fileno(), writing.fileno()) == numbers
        data = os.urandom(300_000)
        feeding = asyncio.ensure_future(pipes.feed(writing, data))
        assert await asyncio.wait_for(everything(reading), PATIENCE) == data
        await feeding

    asyncio.run(use())


def test_a_reader_that_goes_away_ends_the_feeding() -> None:
    async def use() -> None:
        reading, writing = pipe()
        feeding = asyncio.ensure_future(pipes.feed(writing, b"unread" * 50_000))
        await asyncio.sleep(0.01)
        reading.close()
        await asyncio.wait_for(feeding, PATIENCE)
        assert writing.closed

    asyncio.run(use())


@pytest.mark.parametrize("size", [0, 1, pipes.CHUNK, 5 * pipes.CHUNK + 1])
def test_what_is_fed_comes_out_in_order(size: int) -> None:
    async def use() -> bytes:
        reading, writing = pipe()
        data = os.urandom(size)
        got, _ = await asyncio.wait_for(
            asyncio.gather(everything(reading), pipes.feed(writing, data)), PATIENCE
        )
        reading.close()
        assert got == data
        return got

    asyncio.run(use())


def test_a_flood_leaves_the_loop_its_turns() -> None:
    async def use() -> int:
        reading, writing = pipe()
        flood = asyncio.ensure_future(pipes.feed(writing, bytes(50 * pipes.CHUNK)))
        counted = asyncio.ensure_future(everything(reading))
        turns = 0
        while not counted.done():
            await asyncio.sleep(0)
            turns += 1
        await flood
        return turns

    assert asyncio.run(use()) >= 50
