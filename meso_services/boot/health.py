"""Decides whether this boot is healthy: `python3 -m meso_services.boot.health`.

It stands before boot-complete.target. Exit status 0 lets the boot loader count
the slot as good; anything else keeps it on trial.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from meso_services.boot import records
from meso_services.boot.machine import SERVICES, Machine, first_line, version
from meso_services.boot.probe import Probe, wait
from meso_services.boot.records import Health
from meso_services.boot.remedy import REMEDIES

WAIT_SECONDS = 300.0
# A word of the kernel's command line that sets another patience, in seconds.
WAIT_WORD = "meso.health_seconds="
ERROR, INFO = "<3>", "<6>"


def check(machine: Machine, seconds: float = WAIT_SECONDS) -> Health:
    """Wait for the services and write down what came of it."""
    began = time.monotonic()
    probes = wait(machine, SERVICES, seconds)
    reason = describe(probes)
    health = Health(not reason, round(time.monotonic() - began, 1), reason)
    record = records.load(machine.records)
    if record is not None:
        records.save(machine.records, replace(record, health=health))
    return health


def patience(machine: Machine) -> float:
    """How long the services may take to become well, in seconds."""
    words = first_line(machine.command_line).split()
    given = [word.removeprefix(WAIT_WORD) for word in words if word.startswith(WAIT_WORD)]
    return float(given[-1]) if given and given[-1].isdigit() else WAIT_SECONDS


def describe(probes: list[Probe]) -> str:
    """What is wrong, in one line; empty when nothing is."""
    bad = [probe for probe in probes if not probe.well]
    return "; ".join(
        f"{p.service} is {p.state}" + (f" ({p.detail})" if p.detail else "") for p in bad
    )


def act(machine: Machine, reason: str) -> str:
    """Apply the first remedy that fits; what was done, in words."""
    for remedy in REMEDIES:
        plan = remedy.offer(machine)
        if plan is not None:
            remedy.apply(machine, reason)
            return plan
    return "staying up, so that it can be reached: see `meso status`"


def main() -> int:
    """The program."""
    machine = Machine()
    name = f"MESO OS {version(machine)}".strip()
    health = check(machine, patience(machine))
    if health.healthy:
        sys.stdout.write(f"{INFO}{name}: all six services are healthy\n")
        return 0
    sys.stdout.write(f"{ERROR}{name} is not healthy: {health.reason}\n")
    sys.stdout.flush()
    sys.stdout.write(f"{ERROR}{name}: {act(machine, health.reason)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
