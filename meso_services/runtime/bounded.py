"""Programs that a service runs for somebody else: bounded in time and output, then gone.

They start through the one door (`process.start`), in a session of their own, so that the
program and whatever it started end together.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import IO

from meso_services.runtime import process
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

CHUNK = 64 * 1024
MAX_AT_ONCE = 64
_log = Log("meso.process")


@dataclass(frozen=True)
class Command:
    """A program to run: argument list, surroundings and limits.

    `env` is the whole environment; nothing is inherited. `output_bytes` bounds stdout and
    stderr together. `secrets` are masked wherever the command is shown.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: bytes = b""
    seconds: float = 60.0
    output_bytes: int = 4 * 1024**2
    pass_fds: Sequence[int] = ()
    secrets: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `code` is its exit code, negative for a signal."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float


def run(command: Command) -> Outcome:
    """Run a program to its end. Any exit code is an Outcome.

    Raises MesoError `process.missing`, `process.timeout` or `process.output_limit`. Afterwards
    the program and its descendants are gone in every case.
    """
    return _finish(command, _start(command), time.monotonic())


async def run_async(command: Command) -> Outcome:
    """Like `run`, beside the event loop. Cancelling it ends the program."""
    child, began = _start(command), time.monotonic()
    loop = asyncio.get_running_loop()
    waiting = loop.run_in_executor(_threads(), _finish, command, child, began)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        _kill(child)
        # The thread sees the end of the streams; nothing may outlive its request.
        await asyncio.wait([waiting])
        raise


@cache
def _threads() -> ThreadPoolExecutor:
    # Not the loop's own pool: long programs would keep health checks waiting.
    return ThreadPoolExecutor(MAX_AT_ONCE, "program")


def _start(command: Command) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    # The door lays its environment over ours; here only what the command names may pass.
    taken_out = dict.fromkeys(os.environ)
    try:
        return process.start(
            command.argv,
            env={**taken_out, **command.env},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            pass_fds=command.pass_fds,
            detach=True,
            secrets=command.secrets,
        )
    except process.CommandError as problem:
        raise MesoError(
            "process.missing",
            f"cannot start {command.argv[0]}",
            status=500,
            hint="is it installed and executable?",
        ) from problem


def _finish(command: Command, child: subprocess.Popen[bytes], began: float) -> Outcome:
    output = {"stdout": bytearray(), "stderr": bytearray()}
    try:
        _pump(command, child, output, began + command.seconds)
        code = child.wait(max(0.01, began + command.seconds - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _too_slow(command) from None
    finally:
        _kill(child)
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            _close(stream)
    seconds = time.monotonic() - began
    _log.debug("ran", program=command.argv[0], code=code, seconds=round(seconds, 3))
    return Outcome(code, bytes(output["stdout"]), bytes(output["stderr"]), seconds)


def _pump(
    command: Command,
    child: subprocess.Popen[bytes],
    output: dict[str, bytearray],
    deadline: float,
) -> None:
    unsent = memoryview(command.stdin)
    with selectors.DefaultSelector() as ready:
        for name, stream in (("stdout", child.stdout), ("stderr", child.stderr)):
            ready.register(_open(stream), selectors.EVENT_READ, name)
        os.set_blocking(_open(child.stdin).fileno(), False)
        ready.register(_open(child.stdin), selectors.EVENT_WRITE, "stdin")
        while ready.get_map():
            if (left := deadline - time.monotonic()) <= 0:
                raise _too_slow(command)
            for key, _ in ready.select(left):
                if key.data == "stdin":
                    unsent = _feed(key.fd, unsent)
                    done = not unsent
                else:
                    done = not _take(key.fd, output[key.data])
                    _check_size(command, output)
                if done:
                    ready.unregister(key.fileobj)
                    _close(child.stdin if key.data == "stdin" else None)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the program was started without pipes")
    return stream


def _take(descriptor: int, into: bytearray) -> int:
    data = os.read(descriptor, CHUNK)
    into += data
    return len(data)


def _check_size(command: Command, output: dict[str, bytearray]) -> None:
    if sum(map(len, output.values())) > command.output_bytes:
        raise MesoError(
            "process.output_limit",
            f"{command.argv[0]} wrote more than {command.output_bytes} bytes and was stopped",
            status=500,
        )


def _feed(descriptor: int, unsent: memoryview) -> memoryview:
    # A program that does not read its input is not a mistake of ours.
    try:
        return unsent[os.write(descriptor, unsent[:CHUNK]) :]
    except BrokenPipeError:
        return unsent[:0]


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _kill(child: subprocess.Popen[bytes]) -> None:
    # The whole session, also after a normal end: the program may have left children behind.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _too_slow(command: Command) -> MesoError:
    return MesoError(
        "process.timeout",
        f"{command.argv[0]} did not end within {command.seconds:g} s and was stopped",
        status=500,
        detail={"seconds": command.seconds},
    )
