"""Connects 127.0.0.1:3128 inside the sandbox to the egress door's socket, and runs a command.

`forward.py COMMAND…`: it listens first, then the command starts, so that nothing is too early.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

ADDRESS = ("127.0.0.1", 3128)
DOOR = "/run/egress.sock"
_CHUNK = 64 << 10


def main() -> None:
    """Listen, fork, and become the command; the child forwards until the sandbox ends."""
    listener = socket.create_server(ADDRESS, backlog=64)
    if os.fork():
        listener.close()
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command of the call itself
    null = os.open("/dev/null", os.O_RDWR)
    # The command's output must end with the command.
    for number in (0, 1, 2):
        os.dup2(null, number)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client: socket.socket) -> None:
    door = socket.socket(socket.AF_UNIX)
    try:
        door.connect(DOOR)
    except OSError:
        client.close()
        return
    threading.Thread(target=_copy, args=(client, door), daemon=True).start()
    _copy(door, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()


if __name__ == "__main__":
    main()
