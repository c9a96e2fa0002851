"""Logging in on a virtual machine by its name, for `--host vm:NAME`."""

from __future__ import annotations

from pathlib import Path

from meso_host.errors import HostError
from meso_host.setup import tree
from meso_host.vm.files import Files
from meso_host.vm.guest import Guest
from meso_host.vm.machine import Machine


def directory(name: str) -> Path:
    """Where the machine `name` lives. Raises HostError for a name that is no file name."""
    if not name or "/" in name or name.startswith("."):
        raise HostError("vm.bad_name", f"`{name}` is not a name.", remedy="Use a name in configs/.")
    return tree.STATE / "vm" / name


def command(name: str) -> list[str]:
    """The ssh command line that logs in as the operator. Raises HostError when it is off."""
    files = Files(directory(name))
    if files.running() is None:
        raise HostError(
            "vm.off",
            f"the virtual machine {name} is not running.",
            remedy=f"`meso vm {name}` starts it.",
        )
    return Guest(files, Machine()).ssh_command()
