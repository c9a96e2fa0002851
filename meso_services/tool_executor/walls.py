"""What a sandbox shows: the argument list of bubblewrap, from a frozen description."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BWRAP = "/usr/bin/bwrap"
WORKSPACE = "/workspace"
SCRATCH = "/tmp"  # noqa: S108 - the sandbox's own
TOOLS = "/tools"
INSIDE = Path(__file__).parent / "inside"
PACKAGE = f"{TOOLS}/meso_services/tool_executor/inside"
# What programs need of the system, and nothing that says something about this appliance.
LEAST = ("/usr/bin", "/usr/lib", "/usr/lib64")
SYSTEM = (
    *(*LEAST, "/etc/alternatives", "/etc/ld.so.cache"),
    *("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/share/git-core", "/usr/share/perl"),
    *("/usr/share/perl5", "/usr/share/zoneinfo", "/usr/share/terminfo", "/usr/share/misc"),
)
# Files in /etc that programs insist on.
_FILES: Mapping[str, bytes] = {
    "/etc/passwd": b"agent:x:1000:1000::/tmp:/bin/bash\n",
    "/etc/group": b"agent:x:1000:\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
    # What an agent writes into a repository is not run by the git of its own later calls.
    "/etc/gitconfig": b"[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
    b"[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n",
}
_ENVIRONMENT = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "HOME": SCRATCH,
    "TMPDIR": SCRATCH,
    "USER": "agent",
    "LOGNAME": "agent",
    "SHELL": "/bin/bash",
    "TERM": "dumb",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Walls:
    """One sandbox. `full` has /proc, /dev and a scratch directory, as programs of any kind need.

    `scratch` is the size of that directory in bytes; `binds` are (outside, inside), read-only;
    `covers` are (cover, path below the workspace): what lies there cannot be reached.
    """

    workspace: Path
    writable: bool = False
    full: bool = False
    scratch: int = 64 << 20
    binds: Sequence[tuple[Path, str]] = ()
    covers: Sequence[tuple[Path, str]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    bwrap: str = BWRAP


def arguments(walls: Walls, data: Mapping[str, int], seccomp: int) -> list[str]:
    """bubblewrap's options. `data` and `seccomp` are descriptors that it reads."""
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"),
        *("--unshare-uts", "--unshare-cgroup-try", "--disable-userns"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"),
        *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv"),
        *_environment(walls),
        *(
            part
            for path in (SYSTEM if walls.full else LEAST)
            for part in ("--ro-bind-try", path, path)
        ),
        *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
        *("--symlink", "usr/lib64", "/lib64"),
        *(part for path, fd in data.items() for part in ("--ro-bind-data", str(fd), path)),
        *_devices(walls),
        *("--ro-bind", str(INSIDE), PACKAGE),
        *(part for source, target in walls.binds for part in ("--ro-bind", str(source), target)),
        *("--bind" if walls.writable else "--ro-bind", str(walls.workspace), WORKSPACE),
        *(
            part
            for cover, path in walls.covers
            for part in ("--ro-bind", str(cover), f"{WORKSPACE}/{path}")
        ),
        *("--remount-ro", "/", "--chdir", WORKSPACE),
        *("--seccomp", str(seccomp)),
    ]


def _environment(walls: Walls) -> Iterator[str]:
    for name, value in {**_ENVIRONMENT, **walls.environment}.items():
        yield from ("--setenv", name, value)


def _devices(walls: Walls) -> Iterator[str]:
    if not walls.full:
        return
    yield from ("--proc", "/proc", "--dev", "/dev")
    # For a service that runs as root, the kernel's settings ask for the user id alone.
    for place in ("sys", "sysrq-trigger", "irq", "bus", "fs"):
        yield from ("--ro-bind-try", f"/proc/{place}", f"/proc/{place}")
    # bubblewrap's /dev is a tmpfs without a size, and may be written to. Nothing needs that.
    yield from ("--size", str(1 << 20), "--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108
    yield from ("--remount-ro", "/dev")
    yield from ("--size", str(walls.scratch), "--perms", "0700", "--tmpfs", SCRATCH)


def data_descriptors(walls: Walls) -> dict[str, int]:
    """A descriptor for each file that the sandbox gets in /etc; the caller closes them."""
    return {path: memory(content) for path, content in _FILES.items()} if walls.full else {}


def memory(content: bytes) -> int:
    """A readable descriptor of `content`, at its beginning."""
    handle = os.memfd_create("sandbox", os.MFD_CLOEXEC)
    os.write(handle, content)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle
