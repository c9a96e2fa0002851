"""What the appliance does by itself when a boot is unhealthy.

The order is fixed: undo what was changed last and is not confirmed yet, first
the generation, then the slot; and if nothing is left to undo, stay up so that
the operator can reach the machine. A remedy is one class and one row in
REMEDIES; the generations' own comes before the slots'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from meso_services.boot import records, slots
from meso_services.boot.machine import Machine
from meso_services.runtime import process


class Remedy(Protocol):
    """One way to get back to what worked."""

    def offer(self, machine: Machine) -> str | None:
        """What it would do, in words, or None when it does not apply."""

    def apply(self, machine: Machine, reason: str) -> None:
        """Do it; `reason` is what was wrong."""


class OtherSlot:
    """Restart, when this slot is still on trial and another one can boot.

    The boot loader counts the tries: after the last it takes the other slot.
    """

    def offer(self, machine: Machine) -> str | None:
        """Only for a slot that was never confirmed: a good one is not given up."""
        if not slots.counted(machine):
            return None
        own = slots.entry(machine)
        others = [e.stem for e in slots.entries(machine) or [] if e.stem != own and e.bootable]
        return f"restarting: {own} is on trial and {others[0]} can boot" if others else None

    def apply(self, machine: Machine, reason: str) -> None:
        """Leave the reason for the next boot, then restart."""
        record = records.load(machine.records)
        if record is not None:
            records.save(machine.records, replace(record, intent=reason))
        process.run(["systemctl", "--no-block", "reboot"], timeout=30)


REMEDIES: tuple[Remedy, ...] = (OtherSlot(),)
