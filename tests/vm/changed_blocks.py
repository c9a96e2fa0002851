"""Changes blocks of a machine's disk behind its back."""

from __future__ import annotations

import json
import re
from pathlib import Path

from meso_host.vm.lab import LabMachine

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


def blank_state(machine: LabMachine) -> int:
    """Zero the state partition of a machine that is off; where it begins, in bytes."""
    start = _offset(machine, "meso-state")
    _blank(machine.disk, start)
    return start


def _offset(machine: LabMachine, label: str) -> int:
    image = json.loads((machine.plan.image / "image.json").read_text())
    (offset,) = [p["offset"] for p in image["partitions"] if p["label"].endswith(label)]
    return int(offset)


def _blank(disk: Path, start: int) -> None:
    """Zero everything from `start` on, but for the partition table's copy at the end."""
    size = disk.stat().st_size
    with disk.open("r+b") as file:
        file.seek(size - TABLE)
        table = file.read()
        file.truncate(start)
        file.truncate(size)
        file.seek(size - TABLE)
        file.write(table)
