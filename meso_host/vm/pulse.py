"""Whether a machine that should be starting still can.

QEMU may be gone, or hold the machine for good (its status says so), or go on with a
guest that hardware acceleration led astray and that says nothing more. Whoever waits
for a machine asks here, so that no wait goes on for what cannot come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from meso_host.errors import HostError
from meso_host.vm import accel
from meso_host.vm.console import Console
from meso_host.vm.files import Files
from meso_host.vm.qmp import Qmp

T = TypeVar("T")

# The failure that software emulation does not have.
ACCELERATION = "vm.acceleration"
# A guest in one of these does not go on by itself; QEMU has more that pass.
HELD = ("internal-error", "guest-panicked", "io-error", "paused", "shutdown", "watchdog")
# A start prints every few seconds at the latest; under load on a slow computer too.
SILENT_SECONDS = 90.0


class Pulse:
    """Watches the machine `files` from now on.

    `starting`: it prints all the time, so that silence is a sign. Once somebody
    can log in, it is not.
    """

    def __init__(self, files: Files, *, starting: bool) -> None:
        record = files.record()
        self._files = files
        self._console = Console(files.console, start=record.console_start if record else 0)
        self._hardware = accel.is_hardware(record.accelerator) if record else False
        self._starting = starting
        self._size, self._since = -1, time.monotonic()

    def check(self) -> None:
        """Return while the machine can still come up.

        Raises HostError: `vm.acceleration` when the machine fails as only one under
        hardware acceleration does, `vm.died` and `vm.held` otherwise.
        """
        if self._files.running() is None:
            raise self._failed("vm.died", "QEMU ended by itself", self._console.last() == "")
        status = self._status()
        if status in HELD:
            blame = status == "internal-error" or self._console.last() == ""
            raise self._failed("vm.held", f"QEMU holds the machine ({status})", blame)
        if self._starting and self._hardware and self._silent() > SILENT_SECONDS:
            what = f"the console has been silent for {SILENT_SECONDS:.0f} s"
            raise self._failed("vm.silent", what, blame=True)

    def _status(self) -> str:
        try:
            with Qmp(self._files.directory / "qmp.sock", timeout=5) as qmp:
                return str(qmp.execute("query-status")["status"])
        except (HostError, OSError):
            return "unknown"  # gone a moment ago, or busy with another client

    def _silent(self) -> float:
        size = self._files.console.stat().st_size if self._files.console.exists() else 0
        if size != self._size:
            self._size, self._since = size, time.monotonic()
        return time.monotonic() - self._since

    def _failed(self, code: str, what: str, blame: bool) -> HostError:
        said = ""
        if self._files.qemu_log.exists():
            said = self._files.qemu_log.read_text(encoding="utf-8", errors="replace").strip()
        first = said.splitlines()[0] if said else "it said nothing"
        return HostError(
            ACCELERATION if self._hardware and blame else code,
            f"{what}; QEMU's own words: {first}",
            remedy=f"All of them: {self._files.qemu_log}\n"
            f"The console's last lines:\n{self._console.tail() or '(nothing)'}",
        )


def with_fallback(
    files: Files, attempt: Callable[[], T], stop: Callable[[], None], say: Callable[[str], None]
) -> T:
    """`attempt()` to start the machine `files`; where hardware acceleration fails it,
    `stop()` and attempt it in software.

    The failure is remembered, so the second attempt and all later ones choose software.
    """
    try:
        return attempt()
    except HostError as error:
        record = files.record()
        if error.code != ACCELERATION or record is None:
            raise
        accel.distrust("aarch64" if record.arch == "aarch64" else "x86_64")
        say(
            f"Hardware acceleration does not work here: {error.message}.\n"
            "Starting again in software emulation, which is slower. This is remembered in "
            f"{accel.cache()}."
        )
    stop()
    return attempt()
