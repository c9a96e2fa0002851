"""A virtual machine in QEMU: start it, reach it, stop it."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError
from meso_host.vm import accel, firmware, keys, machine
from meso_host.vm.console import Console
from meso_host.vm.files import Files, Record
from meso_host.vm.machine import Disk, Machine
from meso_host.vm.pulse import Pulse
from meso_host.vm.qmp import Qmp
from meso_services.runtime import process

SSH_FAILED = 255
# ssh itself gives up a machine that does not answer; this is for one that is slow.
TRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Guest:
    """The machine whose files are `files`."""

    files: Files
    machine: Machine

    def start(
        self,
        image: Path,
        disk: Disk,
        *,
        root_key: bool = False,
        detach: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Power on; returns as soon as QEMU runs.

        `image` is the directory of the image that the disk was made from.
        `root_key` lets root log in too, for tests; `more` are credentials for
        systemd in the guest. Raises HostError when QEMU does not start.
        """
        found = firmware.find(self.machine.arch)
        if not self.files.variables.exists():
            firmware.copy_variables(found, self.files.variables)
        public = keys.make(self.files)
        root = {keys.ROOT: public} if root_key else {}
        credentials = {keys.OPERATOR: public} | root | dict(more or {})
        port = free_port()
        how = accel.choose(self.machine.arch)
        start = machine.Start(how, found.code, port, disk, credentials)
        keys.forget_connections(self.files)
        for stale in ("qmp.sock", "console.sock"):
            (self.files.directory / stale).unlink(missing_ok=True)
        argv = machine.arguments(self.machine, start)
        said = self.files.console.stat().st_size if self.files.console.exists() else 0
        with self.files.qemu_log.open("wb") as log:
            child = process.start(
                argv, cwd=self.files.directory, stdout=log, stderr=log, detach=detach
            )
        keys.write_config(self.files, port)
        self.files.save(Record(self.machine.arch, str(image), port, child.pid, said, how))
        self._wait_until(
            lambda: self.files.running() is None or (self.files.directory / "qmp.sock").exists(), 20
        )
        if child.poll() is not None:
            self.pulse().check()

    @property
    def port(self) -> int:
        """The port on loopback that leads to its ssh."""
        record = self.files.record()
        if record is None:
            raise HostError(
                "vm.never_started",
                f"there is no machine {self.files.name}.",
                remedy=f"`meso vm {self.files.name}` makes it.",
            )
        return record.port

    def ssh_command(self, user: str = "operator") -> list[str]:
        """The command line that logs in."""
        config = self.files.ssh_config
        near = config.relative_to(Path.cwd()) if config.is_relative_to(Path.cwd()) else config
        return ["ssh", "-F", str(near), "vm" if user == "operator" else f"{user}@vm"]

    def ssh(
        self, command: str, user: str = "operator", timeout: float = 120, given: str | None = None
    ) -> process.Result:
        """Run a shell line in the guest; any exit status is a result. Raises CommandError
        when it takes longer than `timeout` seconds."""
        argv = [*self.ssh_command(user), command]
        return process.run(argv, timeout=timeout, check=False, given=given)

    def wait_for_login(
        self, seconds: float, note: Callable[[str], None] = lambda _: None, user: str = "operator"
    ) -> None:
        """Wait until `user` can log in. Raises HostError with the console's last lines,
        at once when the machine cannot come up any more."""
        console, pulse = self.console(), self.pulse(starting=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pulse.check()
            note(console.stage())
            if self._logs_in(user, min(end, time.monotonic() + TRY_SECONDS), pulse):
                return
            time.sleep(1)
        raise self.late("nobody could log in", seconds)

    def _logs_in(self, user: str, end: float, pulse: Pulse) -> bool:
        # A machine that hangs still accepts the connection: ssh alone would wait in silence.
        child = process.start([*self.ssh_command(user), "true"])
        try:
            while child.poll() is None and time.monotonic() < end:
                pulse.check()
                time.sleep(0.2)
        finally:
            child.kill()
        return child.wait() == 0

    def late(self, what: str, seconds: float) -> HostError:
        """The error for a machine that took too long."""
        return HostError(
            "vm.timeout",
            f"{what} after {seconds:.0f} s. The console's last lines:\n{self.last_words()}",
            remedy=f"The whole console: {self.files.console}\n"
            f"Look inside with `meso vm {self.files.name} --console`.",
        )

    def console(self) -> Console:
        """What the console said since the last power on."""
        record = self.files.record()
        return Console(self.files.console, start=record.console_start if record else 0)

    def pulse(self, *, starting: bool = False) -> Pulse:
        """Tells, from now on, whether the machine can still come up."""
        return Pulse(self.files, starting=starting)

    def last_words(self) -> str:
        """The last lines of the console."""
        return self.console().tail()

    def qmp(self) -> Qmp:
        """A connection to QEMU's control socket."""
        return Qmp(self.files.directory / "qmp.sock")

    def power_off(self, seconds: float = 90) -> None:
        """Press the power button; when the guest does not go in time, cut the power."""
        pid = self.files.running()
        if pid is None:
            return
        with self.qmp() as qmp:
            qmp.execute("system_powerdown")
        if not self._ends(pid, seconds):
            self.kill()
        keys.forget_connections(self.files)

    def kill(self) -> None:
        """Cut the power: QEMU is gone when this returns."""
        pid = self.files.running()
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        keys.forget_connections(self.files)
        self._ends(pid, 20)

    def _ends(self, pid: int, seconds: float) -> bool:
        # Its first thread may be gone, and its directory with it, while another one
        # still holds the disk's lock; this descriptor waits for the last of them.
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            ended = bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)
        self.reap()
        return ended

    def _wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
            self.reap()
        return True

    def reap(self) -> None:
        """Let a QEMU go that has ended."""
        # A QEMU that this very process started stays as a zombie until it is waited for.
        record = self.files.record()
        if record is not None:
            try:
                os.waitpid(record.pid, os.WNOHANG)
            except ChildProcessError:
                return


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
