"""Following a call: everything in order, the result always, and bounded memory."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.contract import tools as wire
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.calls import Call, Calls
from meso_services.tool_executor.events import LAG, REPLAYED


def made(**more: object) -> Call:
    request = wire.CallRequest(session="s", tool="bash", params={"command": "x"}, **more)
    return Call(request, 0)


async def heard(call: Call) -> list[str]:
    """The outputs that a follower gets; it ends with the result."""
    found = []
    async for event in call.follow():
        if isinstance(event, wire.CallOutput):
            found.append(event.text)
    assert event.event == "result"
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["", "a", "b" * 1000, "c" * 300_000]), max_size=12), st.integers(0, 12)
)
def test_who_follows_from_the_beginning_gets_everything_in_order(
    pieces: list[str], late: int
) -> None:
    """And who comes in the middle gets the beginning that is kept, then everything that follows."""

    async def play() -> None:
        call = made()
        early = asyncio.create_task(heard(call))
        others = []
        for number, piece in enumerate(pieces):
            if number == late:
                others.append(asyncio.create_task(heard(call)))
            call.output("stdout", piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        call.change("completed")
        assert await early == pieces
        for other in others:
            got = await other
            assert got == pieces
        again = await heard(call)
        assert again == pieces[: len(again)] or sum(map(len, pieces)) > REPLAYED

    asyncio.run(play())


def test_a_flood_is_held_in_part_and_its_end_is_told() -> None:
    async def play() -> None:
        call = made()
        slow = call.follow()
        assert (await anext(slow)).event == "started"
        for number in range(2000):
            call.output("stdout", f"{number:06d}" + "x" * 20_000)
        # Another is told from now on; the first has read nothing yet.
        call.change("completed")
        assert call.size < REPLAYED + LAG + (1 << 20)
        seen = [event async for event in slow]
        assert seen[-1].event == "result"
        texts = [event.text[:6] for event in seen if isinstance(event, wire.CallOutput)]
        assert texts == sorted(texts)
        assert texts[0] == "000000"

    asyncio.run(play())


def test_nobody_follows_a_flood_and_only_its_beginning_is_held() -> None:
    call = made()
    for _ in range(100_000):
        call.output("stdout", "x")
    call.change("completed")
    assert call.size < REPLAYED + (1 << 16)
    assert asyncio.run(heard(call))[0] == "x"


def test_what_is_remembered_of_ended_calls_is_bounded() -> None:
    calls = Calls()
    for number in range(400):
        call = made()
        calls.add(call, f"key-{number}")
        call.result = {"stdout": "x" * 500_000}
        call.change("completed")
    left = calls.list(None)
    assert sum(one.size for one in left) < (70 << 20)
    assert left[0] is call
    assert calls.known(0, "key-0", call.request) is None
    assert calls.known(0, "key-399", call.request) is call


def test_so_many_may_be_on_their_way_and_no_more() -> None:
    calls = Calls()
    first = made(background=True)
    calls.add(first, None)
    with pytest.raises(MesoError) as caught:
        for _ in range(1000):
            calls.add(made(background=True), None)
    assert caught.value.code == "tools.too_many_calls"
    assert len(calls.list(None)) == 256
    first.change("completed")
    calls.add(made(background=True), None)
