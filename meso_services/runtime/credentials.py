"""Who is at the other end of a UNIX socket, as the kernel says it. Standard library only."""

from __future__ import annotations

import grp
import pwd
import socket
import struct
from dataclasses import dataclass

OPERATOR = "operator"
CONSOLE = "meso-screen"
_SO_PEERGROUPS = 59
_MAX_GROUPS = 1024


@dataclass(frozen=True)
class Peer:
    """Credentials of the process that connected, taken when it connected."""

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def peer_of(connection: socket.socket) -> Peer | None:
    """Ask the kernel; None for a socket that is not a UNIX one."""
    if connection.family != socket.AF_UNIX:
        return None
    layout = struct.Struct("=iII")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    pid, uid, gid = layout.unpack(raw)
    return Peer(pid, uid, gid, _groups(connection))


def _groups(connection: socket.socket) -> tuple[int, ...]:
    # Not /proc/PID/status: the number may belong to another process by now.
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MAX_GROUPS)
    except OSError:
        return ()
    return tuple(number for (number,) in struct.iter_unpack("=I", raw))


def is_operator(peer: Peer) -> bool:
    """True for root and for the user `operator`."""
    if peer.uid == 0:
        return True
    try:
        return pwd.getpwnam(OPERATOR).pw_uid == peer.uid
    except KeyError:
        return False


def is_console(peer: Peer) -> bool:
    """True for the unit that owns the machine's screen and keyboard."""
    try:
        return grp.getgrnam(CONSOLE).gr_gid in peer.groups
    except KeyError:
        return False
