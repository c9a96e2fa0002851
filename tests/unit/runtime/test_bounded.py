"""Programs run for somebody else end in time, say no more than they may, and leave nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_services.runtime import bounded
from meso_services.runtime.bounded import Command, Outcome
from meso_services.runtime.errors import MesoError

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def in_loop(command: Command) -> Outcome:
    return asyncio.run(bounded.run_async(command))


@pytest.fixture(params=[bounded.run, in_loop])
def run(request: Any) -> Callable[..., Outcome]:
    """Both ways to run, in turn."""

    def begin(*argv: str, **more: Any) -> Outcome:
        outcome: Outcome = request.param(Command(argv, ENVIRONMENT, **more))
        return outcome

    return begin


def alive(marker: str) -> bool:
    """True if a process with `marker` in its command line runs on for two seconds."""
    deadline = time.monotonic() + 2
    while any(marker.encode() in line for line in command_lines()):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield process.read_bytes()


def test_input_output_and_exit_code(run: Any) -> None:
    outcome = run("sh", "-c", "cat; echo wrong >&2; exit 3", stdin=b"x" * 300_000)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (3, b"x" * 300_000, b"wrong\n")


def test_a_program_that_ignores_its_input_is_fine(run: Any) -> None:
    assert run("true", stdin=b"x" * 3_000_000).code == 0


def test_nothing_of_our_environment_is_inherited(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "1")
    assert b"SECRET_OF_THE_SERVICE" not in run("env").stdout


def test_a_slow_program_is_stopped_with_its_children(run: Any) -> None:
    began = time.monotonic()
    with pytest.raises(MesoError) as caught:
        run("sh", "-c", "sleep 31.4159 & sleep 31.4159", seconds=0.3)
    assert caught.value.code == "process.timeout"
    assert time.monotonic() - began < 5
    assert not alive("31.4159")


def test_a_talkative_program_is_stopped(run: Any) -> None:
    with pytest.raises(MesoError) as caught:
        run("yes", output_bytes=100_000)
    assert caught.value.code == "process.output_limit"


def test_a_missing_program_is_named(run: Any) -> None:
    with pytest.raises(MesoError, match="cannot start no-such-program") as caught:
        run("no-such-program")
    assert caught.value.code == "process.missing"


def test_cancelling_ends_the_program() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(bounded.run_async(Command(["sleep", "27.1828"], ENVIRONMENT)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - began < 5
    assert not alive("27.1828")
