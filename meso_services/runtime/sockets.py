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


class Sockets:
    """What systemd passed, by path; whatever it did not pass is made here."""

    def __init__(self) -> None:
        self._passed = _passed()

    def take(self, path: Path) -> socket.socket:
        """The socket to serve on at `path`.

        A single passed socket is the service's only one, wherever it listens.
        Raises MesoError `socket.*`.
        """
        if len(self._passed) == 1:
            return self._passed.popitem()[1]
        return self._passed.pop(str(path), None) or _bound(path)

    def finish(self) -> None:
        """Nothing more is taken. Raises MesoError `socket.unknown` if something is left over."""
        if self._passed:
            left = ", ".join(sorted(self._passed))
            raise MesoError("socket.unknown", f"systemd passed sockets that nobody serves: {left}")


def _passed() -> dict[str, socket.socket]:
    count = os.environ.get("LISTEN_FDS", "0")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return {}
    # A child must not take the descriptors for its own.
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return dict(_adopted(FIRST_PASSED + number) for number in range(int(count)))


def _adopted(descriptor: int) -> tuple[str, socket.socket]:
    os.set_inheritable(descriptor, False)
    passed = socket.socket(fileno=descriptor)
    passed.setblocking(False)
    return str(passed.getsockname()), passed


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
