"""The head of an answer leaves together with what follows it, and never later than that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from meso_services.runtime.joined import COPIED, JoinedTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire(asyncio.Transport):
    """Remembers each send."""

    def __init__(self) -> None:
        super().__init__()
        self.sends: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sends.append(bytes(data))

    def close(self) -> None:
        self.sends.append(b"closed")


def sends(act: Callable[[JoinedTransport], None], *, turns: int = 0) -> list[bytes]:
    async def run() -> list[bytes]:
        wire = Wire()
        act(JoinedTransport(wire, asyncio.get_running_loop()))
        for _ in range(turns):
            await asyncio.sleep(0)
        return wire.sends

    return asyncio.run(run())


def test_head_and_body_are_one_send() -> None:
    def answer(transport: JoinedTransport) -> None:
        transport.write(HEAD)
        transport.write(b"body")
        transport.write(b"more")

    assert sends(answer, turns=2) == [HEAD + b"body", b"more"]


def test_a_head_that_nothing_follows_leaves_in_the_same_turn() -> None:
    """A stream's client has the head at once, however late the first event is."""
    assert sends(lambda transport: transport.write(HEAD), turns=1) == [HEAD]


def test_a_head_before_the_close_is_not_lost() -> None:
    def answer(transport: JoinedTransport) -> None:
        transport.write(HEAD)
        transport.close()

    assert sends(answer, turns=2) == [HEAD, b"closed"]


def test_a_large_body_is_not_copied_and_stays_in_order() -> None:
    def answer(transport: JoinedTransport) -> None:
        transport.write(HEAD)
        transport.write(b"x" * (COPIED + 1))

    assert sends(answer, turns=2) == [HEAD, b"x" * (COPIED + 1)]


def test_a_body_that_looks_like_a_head_arrives_whole() -> None:
    def answer(transport: JoinedTransport) -> None:
        transport.write(HEAD)
        transport.write(HEAD)
        transport.write(HEAD)
        transport.write(b"end")

    assert b"".join(sends(answer, turns=2)) == HEAD * 3 + b"end"
