"""Which of the two root slots runs, and which entries the boot loader could boot."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from meso_services.boot.machine import Machine, first_line, version

ENTRY = re.compile(r"(?P<stem>.+?)(?:\+(?P<left>\d+)(?:-(?P<done>\d+))?)?\.efi", re.IGNORECASE)
# Partition numbers of slot A: its root and its hash tree come right after the
# boot loader's partition (images/layout.nix).
SLOT_A = (2, 3)


@dataclass(frozen=True, slots=True)
class Entry:
    """One boot entry. `left` counts its remaining tries; None means that it is confirmed."""

    stem: str
    left: int | None

    @property
    def bootable(self) -> bool:
        """False when all tries are used up."""
        return self.left is None or self.left > 0


@dataclass(frozen=True, slots=True)
class Slot:
    """The running slot: `letter` is a, b or empty when it cannot be told."""

    letter: str
    version: str
    roothash: str

    @property
    def stem(self) -> str:
        """The name of its boot entry, without the counter."""
        return f"meso_{self.version}"


def running(machine: Machine) -> Slot:
    """The slot that this kernel was started from."""
    words = first_line(machine.command_line).split()
    hashes = [word.removeprefix("roothash=") for word in words if word.startswith("roothash=")]
    return Slot(_letter(machine), version(machine), hashes[0] if hashes else "")


def counted(machine: Machine) -> bool:
    """True when the boot loader counts this boot: the slot was not confirmed before it."""
    return machine.loader_variable("LoaderBootCountPath").exists()


def entry(machine: Machine) -> str:
    """The stem of the boot loader's entry that was started.

    The loader says which; two entries may hold the same version.
    """
    try:
        raw = machine.loader_variable("LoaderEntrySelected").read_bytes()
    except OSError:
        raw = b""
    # Four bytes of attributes, then UTF-16 with a final zero.
    said = parse(raw[4:].decode("utf-16-le", "replace").rstrip("\0"))
    return said.stem if said else running(machine).stem


def entries(machine: Machine) -> list[Entry] | None:
    """The boot loader's entries, or None when the partition cannot be read."""
    try:
        names = sorted(os.listdir(machine.entries))  # noqa: PTH208 (iterdir raises late)
    except OSError:
        return None
    return [entry for name in names if (entry := parse(name)) is not None]


def parse(name: str) -> Entry | None:
    """`meso_1+2-1.efi` → Entry("meso_1", 2); None for what is not an entry."""
    match = ENTRY.fullmatch(name)
    if match is None:
        return None
    left = match["left"]
    return Entry(match["stem"], None if left is None else int(left))


def _letter(machine: Machine) -> str:
    device = os.stat(machine.root).st_dev  # noqa: PTH116 (a path may be a mount's root)
    home = machine.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    numbers = [int(text) for path in _parts(home) if (text := first_line(path / "partition"))]
    if not numbers:
        return ""
    return "a" if min(numbers) in SLOT_A else "b"


def _parts(device: Path) -> list[Path]:
    """The partitions under a verity device, or the device itself."""
    slaves = device / "slaves"
    below = sorted(slaves.iterdir()) if slaves.is_dir() else []
    return below or [device]
