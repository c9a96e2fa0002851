"""Debian packages: which command brings them, and bringing them with progress."""

from __future__ import annotations

import os
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from meso_services.runtime import process

# Nobody is there to answer, and recommended packages are not needed.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
UPDATE = ("apt-get", "update")
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends")
# Debian's own timers run apt, too, on a computer that has just started.
BUSY = "Could not get lock"
BUSY_SECONDS = 600.0
BUSY_PAUSE = 3.0


def is_debian() -> bool:
    """True where apt-get brings Debian's packages (Debian and what derives from it)."""
    return Path("/etc/debian_version").is_file() and any(
        os.access(f"{folder}/apt-get", os.X_OK) for folder in ("/usr/bin", "/bin")
    )


def commands(packages: Sequence[str]) -> list[str]:
    """What to type as root to get `packages`."""
    return [shlex.join(UPDATE), shlex.join([*INSTALL, *packages])]


def update(note: Callable[[str], None]) -> None:
    """Fetch the lists of packages; waits for another apt to end. Raises `CommandError`."""
    _in_turn(lambda: process.follow(UPDATE, note, env=ENVIRONMENT), note)


def install(packages: Sequence[str], note: Callable[[str], None]) -> None:
    """Install `packages`; `note` gets `45% Unpacking qemu-utils`. Waits for another apt to
    end. Raises `CommandError`."""
    _in_turn(lambda: _install(packages, note), note)


def _in_turn(run: Callable[[], None], note: Callable[[str], None]) -> None:
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return run()
        except process.CommandError as error:
            if BUSY not in error.output or time.monotonic() > end:
                raise
        note("another apt is running; waiting for it to end")
        time.sleep(BUSY_PAUSE)


def _install(packages: Sequence[str], note: Callable[[str], None]) -> None:
    """apt reports on a pipe of its own: on its standard output, the packages' scripts could
    not write, and some of them fail then."""
    ours, theirs = os.pipe()
    options = ["-o", f"APT::Status-Fd={theirs}", "-o", "Dpkg::Use-Pty=0"]
    argv = [INSTALL[0], *options, *INSTALL[1:], *packages]
    with tempfile.TemporaryFile() as said:
        try:
            child = process.start(
                argv, env=ENVIRONMENT, stdout=said, stderr=said, pass_fds=(theirs,)
            )
        finally:
            os.close(theirs)
        # A service that a package starts may inherit the pipe: wait for apt, not for its end.
        threading.Thread(target=_report, args=(ours, note), daemon=True).start()
        if child.wait():
            said.seek(0)
            raise process.CommandError(argv, child.returncode, said.read().decode(errors="replace"))


def _report(pipe: int, note: Callable[[str], None]) -> None:
    with os.fdopen(pipe, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            _note(line.rstrip("\n"), note)


def _note(line: str, note: Callable[[str], None]) -> None:
    kind, _, rest = line.partition(":")
    if kind in ("dlstatus", "pmstatus") and rest.count(":") >= 2:
        _, percent, what = rest.split(":", 2)
        note(f"{percent.partition('.')[0]}% {what}")
