"""Run one program in a sandbox to its end: output as it comes, limits, and what they stopped."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Literal

from meso_services.runtime.errors import MesoError
from meso_services.tool_executor import pipes
from meso_services.tool_executor.cgroups import Call
from meso_services.tool_executor.sandbox import Limits, Sandbox, unavailable
from meso_services.tool_executor.walls import Walls

Stream = Literal["stdout", "stderr"]
OnOutput = Callable[[Stream, str], None]
_GUARD_SECONDS = 0.1
# The first process of the namespace. bubblewrap's own would run without the filter of calls.
_FIRST = ("/bin/sh", "-c", '"$@"; exit $?', "first")
_BAD_CALL = 128 + signal.SIGSYS
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Program:
    """What to run: words, standard input, and for how many seconds at most."""

    argv: Sequence[str]
    stdin: bytes = b""
    seconds: float = 60.0


@dataclass
class Ran:
    """How it ended. `stopped` names the limit that ended it, if one did."""

    code: int
    seconds: float
    stdout: Kept
    stderr: Kept
    memory_peak: int | None = None
    violations: list[str] = field(default_factory=list)
    stopped: str = ""


class Kept:
    """The beginning and the end of one output, as text; the middle is left out and counted."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self.total = 0

    def take(self, data: bytes, final: bool = False) -> str:
        """Keep `data`; return it as text, without half a character at its end."""
        self.total += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]
        return self._decoder.decode(data, final)

    @property
    def omitted(self) -> int:
        return max(0, self.total - 2 * self._half)

    def text(self) -> str:
        """What was kept, with a line in the middle that says how much was not."""
        if not self.omitted:
            return (self._head + self._tail).decode(errors="backslashreplace")
        head = self._head.decode(errors="backslashreplace")
        tail = self._tail[-self._half :].decode(errors="backslashreplace")
        return f"{head}\n[… {self.omitted} bytes left out …]\n{tail}"


async def run(sandbox: Sandbox, walls: Walls, program: Program, on_output: OnOutput) -> Ran:
    """Run `program`; whatever happens, nothing of it is left afterwards.

    Cancelling ends it. Raises `tools.sandbox_unavailable` if it never began.
    """
    async with sandbox.turns, sandbox.group() as group:
        status, told = os.pipe2(os.O_CLOEXEC)
        try:
            with os.fdopen(told, "wb") as writing:
                child = sandbox.start(
                    walls,
                    [*_FIRST, *program.argv],
                    group,
                    more=("--json-status-fd", str(told)),
                    pass_fds=(told,),
                )
                writing.close()
            return await _Running(sandbox.limits, walls, child, group, status).run(
                program, on_output
            )
        finally:
            os.close(status)


class _Running:
    """One running program."""

    def __init__(
        self,
        limits: Limits,
        walls: Walls,
        child: subprocess.Popen[bytes],
        group: Call | None,
        status: int,
    ) -> None:
        self._limits, self._walls = limits, walls
        self._child, self._group, self._status = child, group, status
        self._stopped = ""
        self._out, self._err = Kept(limits.output), Kept(limits.output)

    async def run(self, program: Program, on_output: OnOutput) -> Ran:
        began = time.monotonic()
        try:
            await self._drive(program, on_output)
        finally:
            self._kill()
            await asyncio.to_thread(self._child.wait)
            for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
                with contextlib.suppress(OSError):
                    _open(stream).close()
        return self._result(time.monotonic() - began)

    async def _drive(self, program: Program, on_output: OnOutput) -> None:
        pumps = [
            asyncio.ensure_future(self._pump("stdout", self._child.stdout, self._out, on_output)),
            asyncio.ensure_future(self._pump("stderr", self._child.stderr, self._err, on_output)),
        ]
        feeding = asyncio.ensure_future(pipes.feed(_open(self._child.stdin), program.stdin))
        guarding = asyncio.ensure_future(self._guard(program.seconds))
        try:
            await pipes.ended(self._child)
            # The whole process namespace has ended with its first process, so both streams end.
            self._kill()
            await asyncio.wait(pumps, timeout=_GRACE_SECONDS)
        finally:
            for task in (*pumps, feeding, guarding):
                task.cancel()
            await asyncio.gather(*pumps, feeding, guarding, return_exceptions=True)

    async def _pump(
        self, name: Stream, stream: IO[bytes] | None, kept: Kept, on_output: OnOutput
    ) -> None:
        async for data in pipes.chunks(_open(stream)):
            if text := kept.take(data):
                on_output(name, text)
            if self._out.total + self._err.total > self._limits.flood:
                self._stop("output")
                return
        if text := kept.take(b"", final=True):
            on_output(name, text)

    async def _guard(self, seconds: float) -> None:
        """Stop the program when its time is over, or when it eats the last of the disk."""
        deadline = time.monotonic() + seconds
        at_first = _free(self._walls)
        while not self._stopped:
            left = deadline - time.monotonic()
            if left <= 0:
                self._stop("time")
            elif _free(self._walls) < min(self._limits.reserve, at_first - (1 << 20)):
                self._stop("disk")
            else:
                await asyncio.sleep(min(left, _GUARD_SECONDS))

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        self._kill()

    def _kill(self) -> None:
        # The whole group; and bubblewrap, with which the process namespace ends.
        if self._group is not None:
            self._group.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _result(self, seconds: float) -> Ran:
        said = os.read(self._status, pipes.CHUNK) if _readable(self._status) else b""
        code = _exit_code(said)
        violations = self._group.violations() if self._group else []
        if self._stopped == "disk":
            violations.append("disk")
        if code == _BAD_CALL or b"Bad system call" in bytes(self._err.text().encode()):
            violations.append("sigsys")
        if code is None and not self._stopped and "oom" not in violations:
            raise unavailable(self._err.text(), self._child.returncode)
        peak = self._group.memory_peak() if self._group else None
        ended = 128 + signal.SIGKILL if code is None else code
        return Ran(ended, seconds, self._out, self._err, peak, violations, self._stopped)


def stopped(ran: Ran, limits: Limits, seconds: float) -> MesoError | None:
    """The error that says which limit ended the program; None if it ended by itself."""
    match ran.stopped:
        case "time":
            return MesoError(
                "tools.timeout",
                f"the call did not end within {seconds:g} s and was stopped",
                status=504,
                hint="give it more `seconds`, up to services.tool_executor.call_seconds, "
                "or run it with `background`",
            )
        case "output":
            return MesoError(
                "tools.output_limit",
                f"the call wrote more than {limits.flood} bytes and was stopped",
                status=422,
                hint="write to a file, or to less; services.tool_executor.call_output_max",
            )
        case "disk":
            return MesoError(
                "tools.disk_limit",
                "the call was stopped: it used up the space that is kept free",
                status=507,
                hint="remove files; services.tool_executor.disk_reserve",
            )
        case _ if ran.code == 128 + signal.SIGKILL and "oom" in ran.violations:
            return MesoError(
                "tools.killed",
                f"the call was stopped: it used more than {limits.memory} bytes of memory",
                status=422,
                hint="services.tool_executor.call_memory_max",
            )
        case _:
            return None


def _exit_code(said: bytes) -> int | None:
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            if isinstance(found := json.loads(line).get("exit-code"), int):
                return found
    return None


def _readable(descriptor: int) -> bool:
    os.set_blocking(descriptor, False)
    return True


def _free(walls: Walls) -> int:
    """Free bytes where the workspace lies; a file system without inodes left counts as full."""
    found = os.statvfs(walls.workspace)
    full = found.f_files > 0 and found.f_favail < 1000
    return 0 if full else found.f_bavail * found.f_frsize


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the program was started without pipes")
    return stream
