"""State lives on its own partition: it grows, it is kept, and it survives a power cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meso_host.vm.lab import LabMachine

# The copy of the partition table: 32 blocks of entries and the header.
TABLE = 33 * 512
LAYOUT = (
    "genome zooids operons sessions sessions/main sessions/branches sessions/archives memory "
    "minds checkpoints workspaces scratchpad"
)


def test_meso_is_laid_out_as_in_the_seed(machine: LabMachine) -> None:
    for name in LAYOUT.split():
        assert machine.root.file(f"/meso/{name}").is_directory, name
    assert machine.run("readlink /meso/genome").stdout.strip() == "/run/meso/current/genome"
    assert machine.root.file("/meso/genome/STANDING-ORDERS.md").is_file


def test_the_state_partition_took_the_rest_of_the_disk(machine: LabMachine) -> None:
    disk = machine.run("lsblk -bnro SIZE,TYPE | grep ' disk$' | sort -n | tail -1").stdout
    ends = machine.run("lsblk -bnro START,SIZE,PARTLABEL | grep ' meso-state$'").stdout.split()
    end = int(ends[0]) * 512 + int(ends[1])
    assert int(disk.split()[0]) - end <= 2 << 20
    size = int(machine.run("stat -fc '%b %S' /state").stdout.split()[0]) * 4096
    assert size > 0.9 * int(ends[1])


def test_one_percent_is_kept_for_the_system_after_growth(machine: LabMachine) -> None:
    blocks, free, available = machine.run("stat -fc '%b %f %a' /state", check=True).stdout.split()
    assert int(free) - int(available) >= 0.01 * int(blocks)


@pytest.mark.destructive
def test_without_its_state_the_machine_is_reachable_and_says_so(
    fresh_machine: LabMachine,
) -> None:
    """A file system beyond repair is not formatted behind the operator's back."""
    fresh_machine.power_off()
    start = state_offset(fresh_machine)
    blank(fresh_machine.disk, start)
    # Its host key was part of the state: the machine has a new one, which a client would refuse.
    fresh_machine.files.known_hosts.unlink()
    fresh_machine.start()
    status = json.loads(fresh_machine.run("meso status --json").stdout)
    assert not status["healthy"]
    assert "Nothing is kept" in status["warnings"][0]
    fresh_machine.power_off()
    with fresh_machine.disk.open("rb") as disk:
        disk.seek(start)
        assert disk.read(1 << 20) == bytes(1 << 20)


def state_offset(machine: LabMachine) -> int:
    """Where the state partition, the last one, begins on the disk, in bytes."""
    image = json.loads((machine.plan.image / "image.json").read_text())
    (offset,) = [p["offset"] for p in image["partitions"] if p["label"] == "meso-state"]
    return int(offset)


def blank(disk: Path, start: int) -> None:
    """Zero everything from `start` on, but for the partition table's copy at the end."""
    size = disk.stat().st_size
    with disk.open("r+b") as file:
        file.seek(size - TABLE)
        table = file.read()
        file.truncate(start)
        file.truncate(size)
        file.seek(size - TABLE)
        file.write(table)
