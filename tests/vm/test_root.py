"""The running system cannot change the root; `test_boards` changes it behind its back."""

from __future__ import annotations

import json

import pytest

from meso_host.vm.lab import LabMachine


def test_the_root_is_verified_and_read_only(machine: LabMachine) -> None:
    mounted = machine.run("findmnt -no FSTYPE,OPTIONS /").stdout.split()
    assert mounted[0] == "erofs"
    assert "ro" in mounted[1].split(",")
    assert " verity " in machine.run("dmsetup table root").stdout
    # V: every block that was read so far had the right hash.
    assert machine.run("dmsetup status root").stdout.split()[-1] == "V"


@pytest.mark.parametrize("path", ["/x", "/etc/x", "/usr/x"])
def test_root_itself_cannot_write_there(machine: LabMachine, path: str) -> None:
    assert "Read-only file system" in machine.run(f"touch {path}").stderr
    assert machine.run("mount -o remount,rw /").status != 0


def test_the_kernel_and_the_root_belong_together(machine: LabMachine) -> None:
    words = machine.run("cat /proc/cmdline").stdout.split()
    (roothash,) = [word[9:] for word in words if word.startswith("roothash=")]
    assert roothash in machine.run("dmsetup table root").stdout
    image = json.loads((machine.plan.image / "image.json").read_text())
    assert roothash == image["roothash"]
