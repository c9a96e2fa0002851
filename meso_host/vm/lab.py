"""Machines for tests, one running at a time: two guests on two cores starve each other.

A shared machine sleeps (QEMU stops its processors) while another one runs.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from meso_host.errors import HostError
from meso_host.vm import disk, health, keys
from meso_host.vm.console import Console
from meso_host.vm.files import Files
from meso_host.vm.guest import Guest
from meso_host.vm.machine import Disk, Machine, NetworkDisk, OverlayDisk, RawDisk
from meso_host.vm.power.disk import Loss, VolatileDisk
from meso_host.vm.power.nbd import NbdServer
from meso_host.vm.pulse import with_fallback
from meso_services.runtime import process

LOGIN_SECONDS = 480.0
HEALTH_SECONDS = 300.0

# Says what goes on while a step runs: a step's name -> its context.
Steps = Callable[[str], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """A machine to make: its parts, its image, and which kind of disk it writes.

    `shared`: a thin overlay whose flushes are ignored, for tests during which
    QEMU goes on. `power_cut`: a disk that forgets what was not flushed. Otherwise a
    raw file, so that a test can change blocks while the machine is off. `patience`
    multiplies what a start may take, for a computer with other work to do.
    `credentials` are handed to systemd in the guest, by name.
    """

    image: Path
    machine: Machine
    shared: bool = False
    power_cut: bool = False
    patience: float = 1.0
    credentials: tuple[tuple[str, str], ...] = ()


class LabMachine:
    """One machine of a test. Powered on by `start`."""

    def __init__(self, directory: Path, plan: Plan, steps: Steps) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self.plan = plan
        self.files = Files(directory)
        self.guest = Guest(self.files, plan.machine)
        self._steps = steps
        self._power = ExitStack()
        self._volatile: VolatileDisk | None = None
        self._make_disk()

    @property
    def disk(self) -> Path:
        """The file with everything the guest made durable: raw, or qcow2 for a shared one."""
        return self.files.disk if self.plan.shared else self.files.directory / "disk.raw"

    def start(self, *, wait: bool = True) -> None:
        """Power on; with `wait` until the services are healthy and root can log in.

        A machine without its cable is plugged in once its boot is complete, so
        that it can be looked at. Raises HostError when it takes too long.
        """
        with_fallback(self.files, lambda: self._start(wait), self._stop, self._say)

    def _start(self, wait: bool) -> None:
        name, patience = f"machine {self.files.name}", self.plan.patience
        with self._steps(f"{name}: starting") as note:
            self.guest.start(
                self.plan.image,
                self._attach(),
                root_key=True,
                detach=False,
                more=dict(self.plan.credentials),
            )
            if not wait:
                return
            if not self.plan.machine.plugged:
                with self.guest.qmp() as qmp:
                    qmp.plug(False)
                self.wait_for_console(health.ANNOUNCED, LOGIN_SECONDS * patience)
                with self.guest.qmp() as qmp:
                    qmp.plug(True)
            self.guest.wait_for_login(LOGIN_SECONDS * patience, note, user="root")
        with self._steps(f"{name}: services healthy") as note:
            health.wait(self.guest, HEALTH_SECONDS * patience, note)

    def _stop(self) -> None:
        self.kill()

    def _say(self, what: str) -> None:
        with self._steps(what):
            return

    def run(
        self, command: str, user: str = "root", timeout: float = 120, check: bool = False
    ) -> process.Result:
        """Run a shell line in the guest. With `check`, any status but 0 raises CommandError."""
        result = self.guest.ssh(command, user, timeout)
        if check and result.status:
            raise process.CommandError(["ssh", user, command], result.status, result.stderr)
        return result

    @cached_property
    def root(self) -> Any:
        """The machine as root: a pytest-testinfra Host."""
        return self._host("root")

    @cached_property
    def operator(self) -> Any:
        """The machine as the operator: a pytest-testinfra Host."""
        return self._host("operator")

    def power_off(self) -> None:
        """Press the power button and wait."""
        with self._steps(f"machine {self.files.name}: powering off"):
            self.guest.power_off()
        self._power.close()

    def kill(self, keep: float = 0.0, seed: int = 0, wait: float = 0.0) -> Loss | None:
        """Cut the power. A `power_cut` machine loses what was not flushed but for the
        share `keep`, drawn with `seed`; what it lost is returned. `wait`: see VolatileDisk."""
        loss = self._volatile.cut(keep, seed, wait) if self._volatile else None
        self.guest.kill()
        self._power.close()
        self._volatile = None
        return loss

    def crash_state(self, to: Path, keep: float = 0.0, seed: int = 0) -> Loss:
        """Write into `to` the state partition as a cut now would leave it; see `kill`. The
        machine, made with `power_cut`, goes on."""
        if self._volatile is None:
            raise RuntimeError("the machine is off, or its disk keeps everything")
        image = json.loads((self.plan.image / "image.json").read_text(encoding="utf-8"))
        (start,) = [p["offset"] for p in image["partitions"] if p["label"] == "meso-state"]
        return self._volatile.copy(to, start, keep, seed)

    def renew(self) -> None:
        """Back to the image, as if it had never been on. It must be off."""
        for old in (self.files.variables, self.files.known_hosts):
            old.unlink(missing_ok=True)
        self._make_disk()

    def console(self) -> str:
        """What the serial console said so far, over all starts."""
        return Console(self.files.console, start=0).text()

    def wait_for_console(self, words: str, seconds: float) -> None:
        """Wait until the console says `words` after the last power on. Raises HostError."""
        end = time.monotonic() + seconds
        console, pulse = self.guest.console(), self.guest.pulse()
        while words not in console.text():
            pulse.check()
            if time.monotonic() > end:
                raise self.guest.late(f"the console did not say {words!r}", seconds)
            time.sleep(0.5)

    @contextmanager
    def restarting(
        self, done: Callable[[dict[str, Any]], bool] = lambda _status: True
    ) -> Iterator[None]:
        """What is done inside makes the guest restart. Afterwards it is in another boot, its
        services are healthy, and `done(its status)` holds; restarts in between are its own.

        Raises HostError when that takes too long.
        """
        before = self._boot_id()
        yield
        pulse, end = self.guest.pulse(), time.monotonic() + 2 * LOGIN_SECONDS
        while True:
            pulse.check()
            keys.forget_connections(self.files)
            found = health.status(self.guest) if self._boot_id() not in (before, "") else None
            if found is not None and len(set(health.healthy(found))) == 1 and done(found):
                return
            if time.monotonic() > end:
                raise self.guest.late("it did not restart as it should", 2 * LOGIN_SECONDS)
            time.sleep(2)

    def off_at_restart(self) -> None:
        """The next restart leaves the machine off, so that its disk can be looked at."""
        with self.guest.qmp() as qmp:
            qmp.execute("set-action", reboot="shutdown")

    def wait_until_off(self, seconds: float) -> None:
        """Wait until the machine is off by itself. Raises HostError."""
        end = time.monotonic() + seconds
        while self.files.running() is not None:
            if time.monotonic() > end:
                raise self.guest.late("it was not off", seconds)
            self.guest.reap()
            time.sleep(0.2)
        keys.forget_connections(self.files)

    def _boot_id(self) -> str:
        try:
            return self.run("cat /proc/sys/kernel/random/boot_id", timeout=60).stdout
        except process.CommandError:
            return ""

    def plug(self, connected: bool) -> None:
        """Plug the network cable in or pull it out."""
        with self.guest.qmp() as qmp:
            qmp.plug(connected)

    def sleep(self, asleep: bool) -> None:
        """Stop the machine's processors, or let them go on."""
        if self.files.running() is not None:
            with self.guest.qmp() as qmp:
                qmp.execute("stop" if asleep else "cont")

    def remove(self) -> None:
        """Gone, with everything it wrote."""
        self.kill()
        shutil.rmtree(self.files.directory, ignore_errors=True)

    def _make_disk(self) -> None:
        image = disk.read_image(self.plan.image)
        if self.plan.shared:
            disk.make_overlay(image, self.files.disk)
        else:
            disk.copy_raw(image, self.disk)

    def _attach(self) -> Disk:
        if self.plan.shared:
            return OverlayDisk(flush=False)
        if not self.plan.power_cut:
            return RawDisk()
        self._volatile = VolatileDisk(self.disk)
        self._power.callback(self._volatile.close)
        server = NbdServer(self._volatile, self.files.directory / "disk.sock")
        self._power.callback(server.close)
        return NetworkDisk()

    def _host(self, user: str) -> Any:
        import testinfra  # noqa: PLC0415 (only where tests run)

        config = str(self.files.ssh_config)
        return testinfra.get_host(f"ssh://{user}@vm", ssh_config=config, controlpersist=0)


class Lab:
    """Makes machines below `directory`, and lets one of them run at a time.

    `image` gives the directory of the image of a name in configs/.
    """

    def __init__(self, directory: Path, image: Callable[[str], Path], steps: Steps) -> None:
        self.directory = directory
        self._image = image
        self._steps = steps
        self._shared: dict[str, LabMachine] = {}
        self._awake: LabMachine | None = None
        self._lock = _alone(directory)
        self._clear_away()

    def shared(self, name: str, credentials: tuple[tuple[str, str], ...] = ()) -> LabMachine:
        """The one machine of the appliance `name` that tests share: they leave it healthy.
        One that was left broken is made anew (`discard`)."""
        machine = self._shared.get(name)
        if machine is None:
            self._rest()
            image = self._image(name)
            how = Plan(image, _fitting(image, Machine()), shared=True, credentials=credentials)
            machine = LabMachine(self.directory / f"test-{name}", how, self._steps)
            self._shared[name] = machine
            self._awake = machine
            self._boot(machine)
        elif self._awake is not machine:
            self._rest()
            machine.sleep(False)
            self._awake = machine
        return machine

    def discard(self, machine: LabMachine) -> None:
        """A test left the shared `machine` as it should not be: the next one gets another."""
        self._shared = {n: m for n, m in self._shared.items() if m is not machine}
        self.retire(machine)

    def fresh(
        self, name: str, machine: Machine, *, power_cut: bool = False, patience: float = 1.0
    ) -> LabMachine:
        """A machine of its own for one test, off; the test's end must `retire` it."""
        self._rest()
        image = self._image(name)
        fitting = _fitting(image, machine)
        plan = Plan(image, fitting, power_cut=power_cut, patience=patience)
        made = LabMachine(self.directory / "test-fresh", plan, self._steps)
        self._awake = made
        return made

    def retire(self, machine: LabMachine) -> None:
        """The test is over."""
        machine.remove()
        if self._awake is machine:
            self._awake = None

    def close(self) -> None:
        """Every machine is gone."""
        for machine in self._shared.values():
            machine.remove()
        self._shared = {}
        self._awake = None
        self._lock.close()

    def _boot(self, machine: LabMachine) -> None:
        try:
            machine.start()
        except HostError:
            self._shared = {n: m for n, m in self._shared.items() if m is not machine}
            machine.kill()
            raise

    def _rest(self) -> None:
        if self._awake is not None:
            self._awake.sleep(True)
            self._awake = None

    def _clear_away(self) -> None:
        # A test run that was killed leaves its machines; nobody else names them so.
        for directory in self.directory.glob("test-*"):
            files = Files(directory)
            try:
                Guest(files, Machine()).kill()
            except HostError:
                continue


def _alone(directory: Path) -> IO[str]:
    """Two test runs in one tree would take each other's machines away: the second is refused."""
    directory.mkdir(parents=True, exist_ok=True)
    file = (directory / "tests.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise HostError(
            "vm.tests_running",
            f"another test run has its machines in {directory}.",
            remedy="Wait for it, or use another clone of the tree.",
        ) from error
    return file


def _fitting(image: Path, machine: Machine) -> Machine:
    arch = disk.read_image(image).arch
    return replace(machine, arch="aarch64" if arch == "aarch64" else "x86_64")
