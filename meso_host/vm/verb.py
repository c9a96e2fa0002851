"""`meso vm`: from an appliance's name to a machine that runs and is healthy."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_cli.progress import Progress
from meso_host.errors import HostError
from meso_host.vm import accel, disk, health, terminal
from meso_host.vm.files import Files
from meso_host.vm.guest import Guest
from meso_host.vm.login import directory
from meso_host.vm.machine import Machine, OverlayDisk
from meso_host.vm.pulse import with_fallback
from meso_services.runtime import process

# Generous, because software emulation on a busy computer is slow.
LOGIN_SECONDS = 420.0
HEALTH_SECONDS = 300.0

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """A machine that runs. `outdated` names the newer image that it was not made from."""

    name: str
    login: list[str]
    status: dict[str, Any] | None
    outdated: Path | None

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "login": shlex.join(self.login),
            "status": self.status,
            "outdated": str(self.outdated) if self.outdated else None,
        }

    def text(self) -> str:
        """For people: the state, how to log in, what to try."""
        old = " its OLD image" if self.outdated else ""
        lines = [f"{self.name} is running{old}{self._services()}."]
        if self.outdated:
            lines += [
                "",
                "What you have changed since this machine was made is NOT in it: its disk, with",
                "its state, was made from the old image. The new one, without that state:",
                f"  meso vm {self.name} --fresh",
            ]
        lines += ["", "Log in:", f"  {shlex.join(self.login)}", "", "Try:"]
        lines += [f"  {line}" for line in self._tries()]
        return "\n".join(lines)

    def _services(self) -> str:
        if self.status is None:
            return ""
        good, all_ = health.healthy(self.status)
        return f", and {good} of {all_} services are healthy"

    def _tries(self) -> list[str]:
        at = f"--host vm:{self.name}"
        return [
            f"./meso status {at}",
            f"./meso session create {at}",
            f"./meso memory write {at} 'The kettle is in the left cupboard.'",
            f"./meso memory search {at} kettle",
            f"./meso vm {self.name} --console      the serial console; Ctrl-] leaves it",
            f"./meso vm {self.name} --stop         power off; the state is kept",
        ]


def files_of(name: str) -> Files:
    """The machine's files; its directory is made when it is not there."""
    files = Files(directory(name))
    files.directory.mkdir(parents=True, exist_ok=True)
    return files


def stop(name: str) -> bool:
    """Power off; False when it was not running."""
    files = Files(directory(name))
    if files.running() is None:
        return False
    with Progress(1).step(f"powering off {name}"):
        Guest(files, Machine()).power_off()
    return True


def console(name: str) -> None:
    """Show the serial console of a running machine."""
    terminal.attach(Files(directory(name)).directory / "console.sock")


def start(name: str, build: Callable[[Note], Path], *, fresh: bool, wait: bool) -> Ready:
    """Bring the machine up; `build` gives the directory of its image.

    A running machine is left alone, unless `fresh`. Raises HostError.
    """
    files = files_of(name)

    def attempt() -> Ready:
        return _start(files, build, fresh=fresh, wait=wait)

    return with_fallback(files, attempt, Guest(files, Machine()).kill, _say)


def _start(files: Files, build: Callable[[Note], Path], *, fresh: bool, wait: bool) -> Ready:
    progress = Progress(4 if wait else 2)
    with progress.step(f"image of {files.name}") as note:
        image = disk.read_image(build(note))
    if files.running() is not None and not fresh:
        return _ready(files, Guest(files, Machine()), _newer(files, image), progress, wait)
    with progress.step("disk and power on"):
        outdated = _prepare(files, image, fresh)
        guest = Guest(files, _machine(image.arch))
        record = files.record()
        made_from = Path(record.image) if record and outdated else image.directory
        guest.start(made_from, OverlayDisk())
    return _ready(files, guest, outdated, progress, wait)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _machine(arch: str) -> Machine:
    return Machine(arch="aarch64" if arch == "aarch64" else "x86_64")


def _ready(
    files: Files, guest: Guest, outdated: Path | None, progress: Progress, wait: bool
) -> Ready:
    status = None
    if wait:
        with progress.step(f"starting{_how(files)}, until the operator can log in") as note:
            guest.wait_for_login(LOGIN_SECONDS, note)
        with progress.step("services healthy") as note:
            status = health.wait(guest, HEALTH_SECONDS, note)
    return Ready(files.name, guest.ssh_command(), status, outdated)


def _how(files: Files) -> str:
    record = files.record()
    hardware = record is None or accel.is_hardware(record.accelerator)
    return "" if hardware else " in software emulation"


def _prepare(files: Files, image: disk.Image, fresh: bool) -> Path | None:
    """Make the disk, or keep the one there is; the newer image that it does not use."""
    if fresh:
        Guest(files, Machine()).kill()
        shutil.rmtree(files.directory)
        files.directory.mkdir()
    if not files.disk.exists():
        _hold(files, image.directory)
        disk.make_overlay(image, files.disk)
        return None
    record = files.record()
    if _newer(files, image) is None or record is None:
        return None
    if not (Path(record.image) / "disk.img").is_file():
        raise HostError(
            "vm.image_gone",
            f"the image that {files.name} was made from is gone: {record.image}",
            remedy=f"Its state cannot be used without it. `meso vm {files.name} --fresh` "
            "starts again from the new image.",
        )
    return image.directory


def _newer(files: Files, image: disk.Image) -> Path | None:
    """The directory of `image` when the machine was made from another one."""
    record = files.record()
    if record is None or Path(record.image) == image.directory:
        return None
    return image.directory


def _hold(files: Files, image: Path) -> None:
    """Keep the image from Nix's garbage collection as long as the machine exists."""
    if str(image).startswith("/nix/store/"):
        root = ["--add-root", str(files.image_link), "--indirect"]
        process.run(["nix-store", "--realise", image, *root])
