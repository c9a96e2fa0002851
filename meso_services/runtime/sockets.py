"""The listening socket: systemd's when it passed one, else one made here."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from meso_services.runtime.errors import MesoError

FIRST_PASSED = 3
BACKLOG = 512
# The kernel's sockaddr_un holds 108 bytes, the last of them a NUL.
MAX_PATH = 107


def listening_socket(path: Path) -> socket.socket:
    """Return the socket to serve on. `path` is used only when systemd passed none."""
    return _passed() or _bound(path)


def _passed() -> socket.socket | None:
    count = os.environ.get("LISTEN_FDS", "0")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or count == "0":
        return None
    if count != "1":
        raise MesoError("socket.count", f"systemd passed {count} sockets, one is expected")
    # A child must not take the descriptors for its own.
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    os.set_inheritable(FIRST_PASSED, False)
    passed = socket.socket(fileno=FIRST_PASSED)
    passed.setblocking(False)
    return passed


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_PATH:
        raise MesoError("socket.path", f"{path} is longer than {MAX_PATH} bytes, a socket's limit")
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind(str(path))
    path.chmod(0o660)
    made.listen(BACKLOG)
    return made


def _clear_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        outcome = probe.connect_ex(str(path))
    if outcome == errno.ENOENT:
        return
    if outcome == errno.ECONNREFUSED:
        path.unlink()
        return
    raise MesoError(
        "socket.taken",
        f"{path} is served already",
        hint="stop the other process, or pass another --socket",
    )
