"""Fair queueing: shares are kept, nobody starves, and bounds hold through any order of events."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.api_proxy.care.interface import RefusalError
from meso_services.api_proxy.care.queue import FairQueue, Share


async def serve(queue: FairQueue, client: str, size: float, share: Share, log: list[str]) -> None:
    await queue.enter(client, size, share)
    try:
        log.append(client)
        await asyncio.sleep(0)
    finally:
        queue.leave(client)


def order(places: int, asked: list[tuple[str, float]], share: Share) -> list[str]:
    """Who was served, in order, when all of them came at once while the house was full."""

    async def run() -> list[str]:
        queue = FairQueue(places, 30)
        log: list[str] = []
        for number in range(places):
            await queue.enter(f"door-{number}", 1, share)
        tasks = [asyncio.create_task(serve(queue, c, s, share, log)) for c, s in asked]
        await asyncio.sleep(0)
        for number in range(places):
            queue.leave(f"door-{number}")
        await asyncio.gather(*tasks)
        assert (queue.running, queue.waiting) == (0, 0)
        return log

    return asyncio.run(run())


def test_a_client_that_floods_does_not_hold_up_the_others() -> None:
    """A hundred requests came first; the late one goes second."""
    log = order(1, [("flood", 10)] * 100 + [("late", 10)], Share(8, 200))
    assert log.index("late") <= 1


def test_large_requests_count_as_large() -> None:
    """Ten times the size, a tenth of the turns, whatever the number of requests."""
    log = order(1, [("big", 1000)] * 30 + [("small", 100)] * 300, Share(8, 400))
    part = Counter(log[:110])
    assert 8 <= part["big"] <= 12


def test_weight_is_a_share() -> None:
    async def run() -> Counter[str]:
        queue = FairQueue(1, 30)
        log: list[str] = []
        await queue.enter("door", 1, Share(1, 1))
        tasks = [
            asyncio.create_task(serve(queue, name, 10, Share(8, 200, weight), log))
            for name, weight in (("heavy", 3.0), ("light", 1.0))
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        queue.leave("door")
        await asyncio.gather(*tasks)
        return Counter(log[:80])

    found = asyncio.run(run())
    assert 57 <= found["heavy"] <= 63


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5000)), min_size=1, max_size=120),
)
def test_nobody_starves(places: int, asked: list[tuple[str, int]]) -> None:
    """Everyone is served, and while a client waits no other gets much more than its share.

    The bound of start-time fair queueing: over any stretch in which two clients both wait, what
    they got differs by no more than their largest requests.
    """
    log = order(places, [(c, float(s)) for c, s in asked], Share(8, 200))
    assert Counter(log) == Counter(client for client, _ in asked)
    sizes: dict[str, list[int]] = {}
    for client, size in asked:
        sizes.setdefault(client, []).append(size)
    most = {client: max(found) for client, found in sizes.items()}
    left = {client: list(found) for client, found in sizes.items()}
    got = dict.fromkeys(sizes, 0)
    for client in log:
        waiting = [other for other in left if left[other]]
        for other in waiting:
            # The one that is served now was not ahead of any that waits.
            assert got[client] <= got[other] + most[other] + most[client]
        got[client] += left[client].pop(0)


def test_one_client_takes_no_more_than_its_places() -> None:
    async def run() -> None:
        queue = FairQueue(10, 0.05)
        share = Share(2, 5)
        await queue.enter("a", 1, share)
        await queue.enter("a", 1, share)
        with pytest.raises(RefusalError) as late:
            await queue.enter("a", 1, share)
        assert late.value.code == "limit.queue_time"
        assert not late.value.terminal
        await queue.enter("b", 1, share)  # the others have room
        assert queue.running == 3

    asyncio.run(run())


def test_a_line_that_is_too_long_is_refused_at_once() -> None:
    async def run() -> None:
        queue = FairQueue(1, 30)
        share = Share(1, 2)
        await queue.enter("a", 1, share)
        waiting = [asyncio.create_task(queue.enter("a", 1, share)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RefusalError) as full:
            await queue.enter("a", 1, share)
        assert full.value.code == "limit.queue_full"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert queue.waiting == 0

    asyncio.run(run())


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=80))
def test_cancellations_lose_no_place(events: list[tuple[str, int]]) -> None:
    """Whatever is cancelled, and whenever: in the end every place is free again."""

    async def run() -> None:
        queue = FairQueue(2, 30)
        share = Share(2, 100)
        tasks: list[asyncio.Task[None]] = []
        for client, what in events:
            if what == 0 and tasks:
                tasks.pop().cancel()
            elif what == 1:
                await asyncio.sleep(0)
            else:
                tasks.append(asyncio.create_task(serve(queue, client, 5, share, [])))
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (queue.running, queue.waiting) == (0, 0)
        await asyncio.wait_for(queue.enter("z", 1, share), 1)

    asyncio.run(run())
