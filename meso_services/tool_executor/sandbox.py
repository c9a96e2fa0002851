"""The sandbox: bubblewrap with namespaces of its own, and nothing runs where it cannot be made.

A call sees a read-only part of /usr, the tools' own program, and one workspace. It has its
own user, mount, process, network, IPC, host name and cgroup namespaces, no capability, no new
privileges, no further user namespaces, no terminal, and no network interface but a loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meso_services.runtime import bounded
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.cgroups import CallLimits, Subtree

BWRAP = "/usr/bin/bwrap"
PYTHON = "/usr/bin/python3"
INSIDE = Path(__file__).parent / "inside"
WORKSPACE = "/workspace"
_TOOLS = "/tools"
_PACKAGE = f"{_TOOLS}/meso_services/tool_executor/inside"
_START = (
    f"import sys; sys.path.insert(0, {_TOOLS!r}); "
    "from meso_services.tool_executor.inside.main import main; main()"
)
# Ended by the kernel: out of memory, or out of processor time.
_STOPPED = (137, -9, 152, -24)
# JSON may need six characters for one byte; the rest is the answer's own keys.
_JSON_FACTOR, _JSON_REST = 8, 256 * 1024


@dataclass(frozen=True)
class Limits:
    """Of one call: seconds, bytes of memory, processes, bytes of text that it may return."""

    seconds: int
    memory: int
    tasks: int
    text: int


@dataclass(frozen=True)
class Sandbox:
    """Runs our tools' program on a workspace. With a `fault` nothing runs."""

    limits: Limits
    subtree: Subtree | None
    turns: asyncio.Semaphore
    fault: MesoError | None = None
    bwrap: str = BWRAP
    system: Sequence[str] = field(default=("/usr/bin", "/usr/lib", "/usr/lib64"))

    async def ask(self, workspace: Path, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request to the program inside; return what it answers.

        Raises `tools.refused` codes that the program gives, `tools.timeout`, `tools.killed`,
        and `tools.sandbox_unavailable`.
        """
        program = [PYTHON, "-I", "-S", "-B", "-c", _START]
        whole = {**request, "seconds": self.limits.seconds, "max_bytes": self.limits.text}
        outcome = await self.run(program, workspace, json.dumps(whole).encode())
        return _answer(outcome)

    async def run(
        self, program: Sequence[str], workspace: Path, stdin: bytes = b""
    ) -> bounded.Outcome:
        """Run any program in the sandbox, and say how it ended."""
        if self.fault is not None:
            raise self.fault
        argv = [*self._arguments(workspace), "--", *program]
        async with self.turns, self._limited(argv) as limited:
            return await self._run(limited, stdin)

    async def _run(self, argv: Sequence[str], stdin: bytes) -> bounded.Outcome:
        command = bounded.Command(
            argv=argv,
            env={"PATH": "/usr/bin", "LANG": "C.UTF-8"},
            stdin=stdin,
            seconds=self.limits.seconds,
            output_bytes=self.limits.text * _JSON_FACTOR + _JSON_REST,
        )
        try:
            return await bounded.run_async(command)
        except MesoError as error:
            raise _explain(error, self.limits) from None

    @contextlib.asynccontextmanager
    async def _limited(self, argv: Sequence[str]) -> AsyncIterator[Sequence[str]]:
        if self.subtree is None:
            yield argv
            return
        limits = CallLimits(self.limits.memory, self.limits.tasks)
        async with self.subtree.call(limits) as call:
            yield call.wrap(argv)

    def _arguments(self, workspace: Path) -> list[str]:
        binds = [part for path in self.system for part in ("--ro-bind-try", path, path)]
        return [
            self.bwrap,
            *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"),
            *("--unshare-uts", "--unshare-cgroup-try", "--disable-userns"),
            *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox"),
            *("--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8"),
            *binds,
            *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
            *("--symlink", "usr/lib64", "/lib64"),
            *("--ro-bind", str(INSIDE), _PACKAGE),
            *("--ro-bind", str(workspace), WORKSPACE),
            *("--remount-ro", "/", "--chdir", WORKSPACE),
        ]


def _answer(outcome: bounded.Outcome) -> dict[str, Any]:
    if outcome.code != 0:
        raise _failed(outcome)
    try:
        answer = json.loads(outcome.stdout)
    except ValueError:
        raise _failed(outcome) from None
    if "refused" in answer:
        raise _refused(answer["refused"])
    result: dict[str, Any] = answer["ok"]
    return result


_STATUS = {"not_found": 404, "path_escape": 403, "unreadable": 403, "not_a_file": 422}


def _refused(refused: dict[str, str]) -> MesoError:
    code = refused["code"]
    return MesoError(f"tools.{code}", refused["message"], status=_STATUS.get(code, 422))


def _failed(outcome: bounded.Outcome) -> MesoError:
    said = outcome.stderr.decode(errors="replace").strip()[-2000:]
    if outcome.code in _STOPPED:
        return MesoError(
            "tools.killed",
            "the call was stopped: it used more memory or processor time than it may",
            status=422,
            hint="read a smaller range, or raise services.tool_executor.call_memory_max",
        )
    return MesoError(
        "tools.sandbox_unavailable",
        "the sandbox could not be set up, so nothing was run",
        status=503,
        hint="GET /healthz?deep=1 says what is missing; see also the journal of this unit",
        detail={"exit_code": outcome.code, "said": said},
    )


def _explain(error: MesoError, limits: Limits) -> MesoError:
    if error.code == "process.timeout":
        return MesoError(
            "tools.timeout",
            f"the call did not end within {limits.seconds} s and was stopped",
            status=504,
            hint="read a smaller range, or raise services.tool_executor.call_seconds",
        )
    if error.code == "process.missing":
        return MesoError(
            "tools.sandbox_unavailable",
            f"{error.message}, so nothing was run",
            status=503,
            hint="the image needs the package bubblewrap",
        )
    return error
