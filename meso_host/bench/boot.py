"""What a booted appliance takes: time until it is healthy, memory when it is idle."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.build import build
from meso_host.setup import tree
from meso_host.vm import accel
from meso_host.vm.lab import Lab, LabMachine, Steps
from meso_host.vm.machine import Machine

APPLIANCE = "x86-minipc"
# Until everything that starts late has settled.
SETTLE_SECONDS = 20.0
IDLE_MEMORY = Against("bound", "goal for the six together", 350)


def run(note: Note) -> Iterator[Record]:
    """Boot a fresh machine and measure it."""
    lab = Lab(tree.STATE / "vm", lambda name: build(name, note), _quiet(note))
    machine = lab.fresh(APPLIANCE, Machine())
    how = accel.choose("x86_64").partition(",")[0]
    try:
        began = time.monotonic()
        machine.start()
        yield Record(f"power on to healthy ({how})", time.monotonic() - began, "s")
        yield from _systemd(machine)
        note("letting it settle")
        time.sleep(SETTLE_SECONDS)
        yield from _memory(machine)
        yield _status(machine)
    finally:
        lab.retire(machine)


def _systemd(machine: LabMachine) -> Iterator[Record]:
    said = machine.run("systemd-analyze time", check=True).stdout
    for part in ("kernel", "userspace"):
        if match := re.search(rf"(?:(\d+)min )?([\d.]+)s \({part}\)", said):
            yield Record(f"boot: {part}", int(match[1] or 0) * 60 + float(match[2]), "s")


def _memory(machine: LabMachine) -> Iterator[Record]:
    show = "systemctl show -p MemoryCurrent --value"
    total = int(machine.run(f"{show} meso.slice", check=True).stdout)
    yield Record("memory of the six services, idle", total / (1 << 20), "MiB", IDLE_MEMORY)


def _status(machine: LabMachine) -> Record:
    began = time.monotonic()
    machine.run("meso status --json", user="operator", check=True)
    return Record("meso status, over ssh", time.monotonic() - began, "s")


def _quiet(note: Note) -> Steps:
    @contextmanager
    def step(what: str) -> Iterator[Note]:
        note(what)
        yield note

    return step
