"""The root cannot be changed, neither by the running system nor behind its back."""

from __future__ import annotations

import json
import re

import pytest

from meso_host.vm.lab import LOGIN_SECONDS, LabMachine

# A program that nothing runs at boot: a changed block in it is found when it is read.
VICTIM = "/usr/bin/busybox"
BLOCK = 4096


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


@pytest.mark.destructive
def test_a_block_changed_on_the_disk_is_refused(fresh_machine: LabMachine) -> None:
    """The machine restarts rather than work with data that nobody signed for."""
    extent = fresh_machine.run(f"filefrag -v -b{BLOCK} {VICTIM}", check=True).stdout
    found = re.search(r"^\s*0:\s+\d+\.\.\s*\d+:\s+(\d+)\.\.", extent, re.MULTILINE)
    assert found is not None, extent
    fresh_machine.power_off()
    offset = root_offset(fresh_machine) + int(found[1]) * BLOCK
    with fresh_machine.disk.open("r+b") as disk:
        disk.seek(offset)
        byte = disk.read(1)[0]
        disk.seek(offset)
        disk.write(bytes([byte ^ 1]))
    fresh_machine.start()
    fresh_machine.run(f"(sleep 2; sha256sum {VICTIM} >/state/read) >/dev/null 2>&1 &")
    fresh_machine.wait_for_console("is corrupted", 120)
    fresh_machine.guest.wait_for_login(LOGIN_SECONDS, user="root")
    read = fresh_machine.run("cat /state/read")
    assert read.status in (0, 1)  # 1: not even the empty file outlived the restart
    assert read.stdout == ""


def root_offset(machine: LabMachine) -> int:
    """Where the first root slot lies on the disk, in bytes."""
    image = json.loads((machine.plan.image / "image.json").read_text())
    (offset,) = [p["offset"] for p in image["partitions"] if p["label"].endswith("_root")]
    return int(offset)
