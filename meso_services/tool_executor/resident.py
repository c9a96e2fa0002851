"""File tools: a program of ours that stays in a workspace's sandbox and answers many calls.

Starting Python for each read would cost more than the read. The program runs nothing that an
agent wrote, sees one workspace and is behind the same walls as a command; a mistake in it ends
there. It goes when it is idle, and is killed when a call is cancelled or takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.tool_executor.cgroups import Call
from meso_services.tool_executor.sandbox import Limits, Sandbox, unavailable
from meso_services.tool_executor.walls import TOOLS, Walls

PYTHON = "/usr/bin/python3"
_START = (
    f"import sys; sys.path.insert(0, {TOOLS!r}); "
    "from meso_services.tool_executor.inside.main import main; main()"
)
IDLE_SECONDS = 60.0
_MOST = 8
# How long one may take to put away what it has prepared, before it is killed.
_GRACE_SECONDS = 1.0
Agreed = Callable[[], Awaitable[None]]
# JSON may need six characters for one byte; the rest is the answer's own keys.
_JSON_FACTOR, _JSON_REST = 8, 256 * 1024
_STATUS = {
    **{"not_found": 404, "path_escape": 403, "unreadable": 403, "not_a_file": 422},
    **{"exists": 409, "changed": 409, "too_large": 413, "full": 507},
}
_log = Log("meso.tools")


class Helper:
    """One resident program. `ask` is for one caller at a time."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        group: Call | None,
        exit_stack: AsyncExitStack,
        limits: Limits,
    ) -> None:
        self._child, self._group, self._limits = child, group, limits
        self._reader, self._writer = streams
        self._exit = exit_stack
        self.used_at = time.monotonic()

    @classmethod
    async def start(cls, sandbox: Sandbox, workspace: Path) -> Helper:
        """Start one. Raises `tools.sandbox_unavailable`."""
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(sandbox.group("files"))
            ours, theirs = socket.socketpair()
            with theirs:
                child = sandbox.start(
                    Walls(workspace, writable=True),
                    [PYTHON, "-I", "-S", "-B", "-c", _START],
                    group,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                )
            streams = await asyncio.open_connection(sock=ours)
            return cls(child, streams, group, stack.pop_all(), sandbox.limits)
        raise AssertionError("the stack swallows nothing")

    async def ask(self, request: dict[str, Any], agreed: Agreed | None = None) -> dict[str, Any]:
        """One request, one answer. Raises the refusals of the program, and `tools.timeout`.

        With `agreed` the request is prepared while that is awaited, and has an effect only
        after it has returned; what it raises is raised.
        """
        more = {"max_bytes": self._limits.text, "gated": agreed is not None}
        data = json.dumps(request | more).encode()
        self._writer.write(b"%d\n%s" % (len(data), data))
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await (self._answer() if agreed is None else self._gated(agreed))
        except TimeoutError:
            raise MesoError(
                "tools.timeout",
                f"the call did not end within {self._limits.seconds} s and was stopped",
                status=504,
                hint="read a smaller range, or raise services.tool_executor.call_seconds",
            ) from None
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            raise await self._fallen() from None
        self.used_at = time.monotonic()
        if "refused" in answer:
            code = answer["refused"]["code"]
            message = answer["refused"]["message"]
            raise MesoError(_code(code), message, status=_STATUS.get(code, 422))
        found: dict[str, Any] = answer["ok"]
        return found

    async def _gated(self, agreed: Agreed) -> dict[str, Any]:
        agreeing = asyncio.ensure_future(agreed())
        try:
            answer = await self._answer()
            try:
                await agreeing
            except MesoError:
                if "ready" in answer:
                    self._writer.write(b"no\n")
                    await self._answer()
                raise
            if "ready" in answer:
                self._writer.write(b"go\n")
                answer = await self._answer()
        finally:
            agreeing.cancel()
        return answer

    async def _answer(self) -> dict[str, Any]:
        await self._writer.drain()
        size = int(await self._reader.readuntil(b"\n"))
        if size > self._limits.text * _JSON_FACTOR + _JSON_REST:
            raise ValueError("an answer larger than any can be")
        answer = json.loads(await self._reader.readexactly(size))
        if not isinstance(answer, dict):
            raise ValueError("an answer that is none")
        return answer

    async def _fallen(self) -> MesoError:
        """Why the program is gone: its memory, or a sandbox that could not be made."""
        if self._group is not None and "oom" in self._group.violations():
            return MesoError(
                "tools.killed",
                "the call was stopped: it used more memory than it may",
                status=422,
                hint="read a smaller range, or raise services.tool_executor.call_memory_max",
            )
        self._kill()
        said = self._child.stderr.read() if self._child.stderr else b""
        code = await asyncio.to_thread(self._child.wait)
        return unavailable(said.decode(errors="replace"), code)

    def _kill(self) -> None:
        if self._group is not None:
            self._group.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End it and what it holds. A change that was prepared leaves no trace."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._child.wait, _GRACE_SECONDS)
        self._kill()
        self._writer.close()
        await asyncio.to_thread(self._child.wait)
        if self._child.stderr:
            self._child.stderr.close()
        await self._exit.aclose()


def _code(code: str) -> str:
    return "storage.full" if code == "full" else f"tools.{code}"


class Helpers:
    """All residents: some for each workspace that was used lately, `_MOST` together."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._idle: list[tuple[Path, Helper]] = []
        self._turns = asyncio.Semaphore(_MOST)
        self._changing: dict[Path, asyncio.Lock] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def ask(
        self, workspace: Path, request: dict[str, Any], agreed: Agreed | None = None
    ) -> dict[str, Any]:
        """Ask a resident of `workspace`. Requests with `agreed`, which are those that change
        something, come one after the other; as `Helper.ask`."""
        lock = self._changing.setdefault(workspace, asyncio.Lock()) if agreed else None
        async with lock or contextlib.nullcontext(), self._turns, self._helper(workspace) as one:
            return await one.ask(request, agreed)

    @contextlib.asynccontextmanager
    async def _helper(self, workspace: Path) -> AsyncIterator[Helper]:
        """A resident for one request. It stays for the next one unless something went wrong."""
        one = self._take(workspace) or await Helper.start(self._sandbox, workspace)
        try:
            yield one
        except MesoError as error:
            if error.code in ("tools.timeout", "tools.killed", "tools.sandbox_unavailable"):
                await one.stop()
            else:
                await self._give_back(workspace, one)
            raise
        except BaseException:
            await asyncio.shield(one.stop())
            raise
        await self._give_back(workspace, one)

    def _take(self, workspace: Path) -> Helper | None:
        for index, (place, one) in enumerate(self._idle):
            if place == workspace:
                del self._idle[index]
                return one
        return None

    async def _give_back(self, workspace: Path, one: Helper) -> None:
        self._idle.insert(0, (workspace, one))
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        while len(self._idle) > _MOST:
            await self._idle.pop()[1].stop()

    async def _sweep(self) -> None:
        """End those that nobody has asked for a while."""
        while self._idle:
            await asyncio.sleep(IDLE_SECONDS / 4)
            old = time.monotonic() - IDLE_SECONDS
            gone = [one for one in self._idle if one[1].used_at < old]
            self._idle = [one for one in self._idle if one not in gone]
            for _, one in gone:
                await one.stop()
            self._changing = {
                place: lock for place, lock in self._changing.items() if lock.locked()
            }

    async def close(self) -> None:
        """End all of them."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            await self._idle.pop()[1].stop()
