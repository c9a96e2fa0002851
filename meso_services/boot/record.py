"""Opens, settles and closes the record of this boot.

python3 -m meso_services.boot.record open     early in the boot
python3 -m meso_services.boot.record settle   once the slot is confirmed, or is not
python3 -m meso_services.boot.record close    on the way down
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from meso_services.boot import records, slots, verdict
from meso_services.boot.machine import Machine, first_line
from meso_services.boot.records import Outcome, Record, Slots

USAGE = "usage: python3 -m meso_services.boot.record open|settle|close"
EXPECTED = (Outcome.FIRST, Outcome.CLEAN)


def open_record(machine: Machine) -> Record:
    """Judge how the last boot ended, file it, and begin a new record."""
    boot_id = first_line(machine.boot_id)
    last = records.load(machine.records)
    if last is not None and last.boot_id == boot_id:
        return last  # the unit was started again within one boot
    evidence = verdict.gather(machine, _exhausted(machine))
    slot = slots.running(machine)
    end = verdict.judge(last, slot.version, evidence)
    if last is not None:
        records.archive(machine.records, last, end)
    record = Record(
        boot_id=boot_id,
        number=last.number + 1 if last else 1,
        started=_now(),
        version=slot.version,
        slot=slot.letter,
        roothash=slot.roothash,
        previous=end,
        panics=tuple(evidence.panics),
        exhausted=evidence.exhausted,
    )
    records.save(machine.records, record)
    return record


def settle_record(machine: Machine) -> Record | None:
    """Write down what the boot loader now thinks of the slots."""
    listed = slots.entries(machine) or []
    stem = slots.entry(machine)
    own = [entry for entry in listed if entry.stem == stem]
    settled = Slots(
        confirmed=any(entry.left is None for entry in own) or not slots.counted(machine),
        others=tuple(entry.stem for entry in listed if entry.stem != stem and entry.bootable),
        exhausted=tuple(entry.stem for entry in listed if not entry.bootable),
    )
    return _change(machine, lambda record: replace(record, slots=settled))


def close_record(machine: Machine) -> Record | None:
    """The machine goes down on purpose."""
    return _change(machine, lambda record: replace(record, closed=_now()))


def _change(machine: Machine, change: Callable[[Record], Record]) -> Record | None:
    record = records.load(machine.records)
    if record is None or record.boot_id != first_line(machine.boot_id):
        return None  # this boot was never opened: what lies there is the last one's
    changed = change(record)
    records.save(machine.records, changed)
    return changed


def _exhausted(machine: Machine) -> tuple[str, ...]:
    own = slots.entry(machine)
    listed = slots.entries(machine) or []
    return tuple(entry.stem for entry in listed if not entry.bootable and entry.stem != own)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main(argv: list[str]) -> int:
    """The program; exit status 2 for a wrong call."""
    machine = Machine()
    if argv == ["open"]:
        end = open_record(machine).previous
        level = 6 if end.outcome in EXPECTED else 4
        sys.stdout.write(f"<{level}>last boot: {end.outcome.value}: {end.reason}\n")
    elif argv == ["settle"]:
        settle_record(machine)
    elif argv == ["close"]:
        close_record(machine)
    else:
        sys.stderr.write(USAGE + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
