"""Changes blocks of a machine's disk behind its back."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from meso_host.vm.lab import LabMachine
from meso_services.runtime import process

# A program that nothing runs at boot: a changed block in it is found when it is read.
VICTIM = "/usr/bin/busybox"
READ = (
    "echo 3 > /proc/sys/vm/drop_caches;"
    f"(sleep 2; sha256sum {VICTIM} >/state/read) >/dev/null 2>&1 &"
)
BLOCK = 4096
# The copy of the partition table: 32 blocks of entries and the header.
TABLE = 33 * 512


def change(machine: LabMachine) -> None:
    """Flip one bit of VICTIM on the disk, while the machine runs."""
    extent = machine.run(f"filefrag -v -b{BLOCK} {VICTIM}", check=True).stdout
    found = re.search(r"^\s*0:\s+\d+\.\.\s*\d+:\s+(\d+)\.\.", extent, re.MULTILINE)
    assert found is not None, extent
    offset = _offset(machine, "_root") + int(found[1]) * BLOCK
    with machine.disk.open("r+b") as disk:
        disk.seek(offset)
        byte = disk.read(1)[0]
        disk.seek(offset)
        disk.write(bytes([byte ^ 1]))


def read_result(disk: Path, start: int) -> str:
    """What READ left on the state partition that begins at the byte `start`; the machine is off."""
    argv = ["debugfs", "-R", "cat /read", f"{disk}?offset={start}"]
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return process.run(argv, check=False, env={"PATH": path}).stdout


def state(machine: LabMachine) -> int:
    """Where the state partition begins, in bytes."""
    return _offset(machine, "meso-state")


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


def _offset(machine: LabMachine, label: str) -> int:
    image = json.loads((machine.plan.image / "image.json").read_text())
    (offset,) = [p["offset"] for p in image["partitions"] if p["label"].endswith(label)]
    return int(offset)
