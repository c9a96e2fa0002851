"""Long work says what it does, how far it is and how long it took."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from meso_cli.progress import Progress, duration


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def ticks(*times: float) -> Iterator[float]:
    yield from times
    while True:
        yield times[-1]


def test_a_log_gets_a_plain_line_at_the_start_and_at_the_end() -> None:
    stream = io.StringIO()
    clock = ticks(0, 0, 75)
    progress = Progress(2, stream, lambda: next(clock))
    with progress.step("packages"):
        pass
    assert stream.getvalue().splitlines() == [
        "[1/2] packages",
        "[1/2] packages - done in 1 min 15 s",
    ]


def test_a_terminal_line_is_rewritten_and_ends_once() -> None:
    stream = Terminal()
    progress = Progress(1, stream)
    with progress.step("image") as note:
        note("half")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r\033[K") == 2


def test_a_step_that_fails_says_that_it_stopped() -> None:
    stream = io.StringIO()
    progress = Progress(1, stream)
    with pytest.raises(ValueError, match="no"), progress.step("image"):
        raise ValueError("no")
    assert "stopped after" in stream.getvalue()


def test_more_steps_than_announced_never_read_five_of_four() -> None:
    stream = io.StringIO()
    progress = Progress(1, stream)
    for _ in range(2):
        with progress.step("again"):
            pass
    assert "[2/2] again" in stream.getvalue()


def test_durations_read_well() -> None:
    assert [duration(4.21), duration(65), duration(3600)] == ["4.2 s", "1 min 05 s", "60 min 00 s"]
