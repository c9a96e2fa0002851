"""The machine's serial console on this terminal. Ctrl-] leaves it."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from pathlib import Path
from socket import socket

from meso_host.errors import HostError
from meso_host.vm.qmp import connect_unix

LEAVE = b"\x1d"


def attach(path: Path) -> None:
    """Connect this terminal to the console at the socket `path` until the user leaves.

    Raises HostError when there is no terminal or no console.
    """
    if not sys.stdin.isatty():
        raise HostError(
            "vm.no_terminal",
            "--console needs a terminal.",
            remedy="What the console printed is in console.log beside the machine's disk.",
        )
    try:
        console = connect_unix(path, timeout=5)
    except OSError as error:
        raise HostError(
            "vm.no_console", f"the console does not answer: {error}", remedy="Is it running?"
        ) from error
    print("Ctrl-] leaves the console; the machine goes on.", file=sys.stderr)
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setraw(keyboard)
    try:
        with console:
            console.settimeout(None)
            _pump(keyboard, console)
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        print(file=sys.stderr)


def _pump(keyboard: int, console: socket) -> None:
    while True:
        ready, _, _ = select.select([keyboard, console.fileno()], [], [])
        if console.fileno() in ready:
            said = console.recv(65536)
            if not said:
                return
            os.write(sys.stdout.fileno(), said)
        if keyboard in ready:
            typed = os.read(keyboard, 1024)
            if LEAVE in typed or not typed:
                return
            console.sendall(typed)
