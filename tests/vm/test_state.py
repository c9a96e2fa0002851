"""State lives on its own partition: it grows, it is kept, and it survives a power cut."""

from __future__ import annotations

from meso_host.vm.lab import LabMachine

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
