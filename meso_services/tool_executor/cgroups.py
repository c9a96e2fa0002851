"""One control group for each call, below the subtree that systemd delegated to this service.

The unit sets `Delegate=` and `DelegateSubgroup=`, so the service itself lives in a leaf and
the delegated group may have children. Where nothing was delegated (development), there is no
subtree and only the time, size and namespace limits hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids", "cpu", "io")
_NEEDED = frozenset({"memory", "pids"})
_EMPTY_SECONDS = 5.0
_log = Log("meso.tools")


@dataclass(frozen=True)
class CallLimits:
    """Limits of one call: bytes of memory, number of processes, processor time in percent of one.

    `io_weight` is its share of the disk when others want it, too (1 to 10000, normal is 100).
    """

    memory: int
    tasks: int
    cpu: int = 100
    io_weight: int = 50


@dataclass(frozen=True)
class Call:
    """The group of one running call."""

    path: Path

    def kill(self) -> None:
        """Kill everything in the group at once, whatever it has forked."""
        with contextlib.suppress(OSError):
            _write(self.path / "cgroup.kill", "1")

    def violations(self) -> list[str]:
        """Limits that were met: `oom`, `tasks`."""
        found = []
        if self._counted("memory.events", "oom_kill") or self._counted(
            "memory.events", "oom_group_kill"
        ):
            found.append("oom")
        if self._counted("pids.events", "max"):
            found.append("tasks")
        return found

    def memory_peak(self) -> int | None:
        """Most bytes that were used at once, or None on a kernel that does not say."""
        try:
            return int((self.path / "memory.peak").read_text())
        except (OSError, ValueError):
            return None

    def _counted(self, file: str, key: str) -> int:
        try:
            lines = (self.path / file).read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.split()[0] == key), 0)


@dataclass(frozen=True)
class Subtree:
    """The delegated group, ready for children."""

    path: Path
    # Groups whose processes the kernel had not let go in time; the next call tries again.
    _left: set[Path] = field(default_factory=set, compare=False)

    @contextlib.asynccontextmanager
    async def call(self, limits: CallLimits, kind: str = "call") -> AsyncIterator[Call]:
        """A group for one call. At the end everything in it is killed and it is removed.

        `kind` begins its name. Raises `tools.sandbox_unavailable` when it can't be made.
        """
        call = await asyncio.to_thread(self._make, limits, kind)
        try:
            yield call
        finally:
            await asyncio.to_thread(self._end, call.path)

    def _end(self, group: Path) -> None:
        if not _end(group):
            _log.warning("a call's control group is not empty yet", group=group.name)
            self._left.add(group)

    def _make(self, limits: CallLimits, kind: str) -> Call:
        self._left.difference_update({old for old in self._left.copy() if _remove(old)})
        group = self.path / f"{kind}-{secrets.token_hex(8)}"
        try:
            group.mkdir()
            _write(group / "memory.max", str(limits.memory))
            _write(group / "memory.oom.group", "1")
            _write(group / "pids.max", str(limits.tasks))
            _optional(group / "memory.swap.max", "0")  # absent on a kernel without swap
            _optional(group / "cpu.max", f"{limits.cpu * 1000} 100000")
            _optional(group / "io.weight", f"default {limits.io_weight}")
        except OSError as error:
            _remove(group)
            raise _unavailable(group, error) from None
        return Call(group)


def delegated() -> Subtree | None:
    """The subtree that systemd delegated to this process, with its controllers switched on.

    None where nothing was delegated. Raises `tools.sandbox_unavailable` if a subtree is there
    and lacks the memory or pids controller.
    """
    own = _own_group()
    parent = own.parent if own else None
    if parent is None or not _is_delegated(parent):
        return None
    try:
        _switch_on(parent)
    except OSError as error:
        raise _unavailable(parent, error) from None
    return Subtree(parent)


def _own_group() -> Path | None:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("0::/") and (MOUNT / "cgroup.controllers").exists():
            return MOUNT / line[4:]
    return None


def _is_delegated(group: Path) -> bool:
    try:
        return os.getxattr(group, "user.delegate") == b"1"
    except OSError:
        return False


def _switch_on(group: Path) -> None:
    available = set((group / "cgroup.controllers").read_text().split())
    if missing := _NEEDED - available:
        raise OSError(0, f"controllers not delegated: {', '.join(sorted(missing))}")
    wanted = " ".join(f"+{name}" for name in CONTROLLERS if name in available)
    _write(group / "cgroup.subtree_control", wanted)


def _end(group: Path) -> bool:
    """Kill what is in the group and remove it; False where that takes too long."""
    with contextlib.suppress(OSError):
        _write(group / "cgroup.kill", "1")
    deadline = time.monotonic() + _EMPTY_SECONDS
    while not (gone := _remove(group)) and time.monotonic() < deadline:
        time.sleep(0.002)
    return gone


def _remove(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _optional(path: Path, value: str) -> None:
    if path.exists():
        _write(path, value)


def _write(path: Path, value: str) -> None:
    # Control files are written in one piece; buffering could split it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _unavailable(group: Path, error: OSError) -> MesoError:
    return MesoError(
        "tools.sandbox_unavailable",
        f"cannot limit a call's memory and processes: {group}: {error.strerror or error}",
        status=503,
        hint="the unit needs Delegate=memory pids, and DelegateSubgroup=",
    )
