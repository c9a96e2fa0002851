"""The sandbox: bubblewrap with namespaces of its own, and nothing runs where it cannot be made.

A call sees a read-only part of /usr and one workspace. It has its own user, mount, process,
network, IPC, host name and cgroup namespaces, no capability, no new privileges, no further user
namespaces, no terminal, a filter of system calls, and no network interface but a loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meso_services.runtime import process
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor import seccomp
from meso_services.tool_executor.cgroups import Call, CallLimits, Subtree
from meso_services.tool_executor.walls import Walls, arguments, data_descriptors, memory


@dataclass(frozen=True)
class Limits:
    """Of one call: seconds, bytes of memory, processes, bytes of text; see the settings."""

    seconds: int
    memory: int
    tasks: int
    text: int
    cpu: int = 100
    output: int = 256 << 10
    flood: int = 64 << 20
    scratch: int = 64 << 20
    file: int = 1 << 30
    reserve: int = 0


@dataclass(frozen=True)
class Sandbox:
    """Starts programs in sandboxes. With a `fault` nothing is started."""

    limits: Limits
    subtree: Subtree | None
    turns: asyncio.Semaphore
    fault: MesoError | None = None

    @contextlib.asynccontextmanager
    async def group(self, kind: str = "call") -> AsyncIterator[Call | None]:
        """A control group for one call; what is in it at the end is killed. See Subtree.call.

        None where there are no control groups (development).
        """
        if self.fault is not None:
            raise self.fault
        if self.subtree is None:
            yield None
            return
        limits = CallLimits(self.limits.memory, self.limits.tasks, self.limits.cpu)
        async with self.subtree.call(limits, kind) as call:
            yield call

    # Keyword-only where they are the system's own.
    def start(  # noqa: PLR0913
        self,
        walls: Walls,
        program: Sequence[str],
        group: Call | None,
        *,
        more: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        stdin: int = subprocess.PIPE,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Start a program behind `walls`, in `group`. Raises `tools.sandbox_unavailable`.

        `more` are further options of bubblewrap, `pass_fds` what they refer to.
        """
        if self.fault is not None:
            raise self.fault
        with _descriptors(walls, more) as (options, inherited):
            # By a descriptor: the command line of the sandbox's first process can be read in it.
            argv = [walls.bwrap, "--args", str(options), "--", *program]
            try:
                return process.start(
                    self._entered(argv, group),
                    # Not even bubblewrap itself gets the service's environment.
                    env={**dict.fromkeys(os.environ), "PATH": "/usr/bin", "LANG": "C.UTF-8"},
                    cwd=Path("/"),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(options, *inherited, *pass_fds),
                    detach=True,
                )
            except process.CommandError as error:
                raise unavailable(f"cannot start {argv[0]}: {error.output}") from None

    def _entered(self, argv: Sequence[str], group: Call | None) -> list[str]:
        """The command that takes its limits, enters the group and then becomes `argv`.

        The program is inside before it starts; nothing it does can come first.
        """
        limits = [f"ulimit -c 0; ulimit -f {self.limits.file // 512}; ulimit -n 4096"]
        if group is None:
            # Without a control group, the one limit of memory that a process can have.
            limits.append(f"ulimit -v {4 * self.limits.memory // 1024}")
            enter = 'exec "$@"'
        else:
            enter = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
        where = "none" if group is None else str(group.path)
        return ["/bin/sh", "-c", f"{'; '.join(limits)}; {enter}", where, *argv]


@contextlib.contextmanager
def _descriptors(walls: Walls, more: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """A descriptor of bubblewrap's options, and those that the options refer to."""
    data = data_descriptors(walls)
    handles = list(data.values())
    try:
        handles.append(seccomp.descriptor())
        words = [*arguments(walls, data, handles[-1]), *more]
        handles.append(memory("\0".join(words).encode() + b"\0"))
        yield handles[-1], handles[:-1]
    finally:
        for handle in handles:
            os.close(handle)


def unavailable(said: str, code: int | None = None) -> MesoError:
    """The one answer to a sandbox that cannot be made."""
    return MesoError(
        "tools.sandbox_unavailable",
        "the sandbox could not be set up, so nothing was run",
        status=503,
        hint="GET /healthz?deep=1 says what is missing; see also the journal of this unit",
        detail={"said": said[-2000:]} | ({} if code is None else {"exit_code": code}),
    )
