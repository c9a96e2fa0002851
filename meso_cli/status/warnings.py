"""What the operator should know without asking, the worst first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meso_cli.status.model import Failure, Space
from meso_services.boot.records import Outcome, Record

FULL = 0.9
# The cadence of security updates that the project keeps is a week; this is when to ask why not.
OLD_DAYS = 30
UNEXPECTED = {
    Outcome.POWER_LOSS: "The last boot ended without a shutdown",
    Outcome.WATCHDOG: "The hardware watchdog ended the last boot",
    Outcome.PANIC: "The kernel panicked in the last boot",
    Outcome.HEALTH: "The last boot was unhealthy and was ended",
    Outcome.FALLBACK: "The boot loader fell back to this slot",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the warnings are drawn from."""

    degraded: str
    failed_units: tuple[str, ...]
    failures: tuple[Failure, ...]
    activation: tuple[str, ...]
    record: Record | None
    memory: Space
    disk: Space
    locked_days: float
    questions: int = 0


def warn(facts: Facts) -> Iterator[str]:
    """One sentence or two for each thing that is not as it should be."""
    if facts.degraded:
        yield f"Nothing is kept: {facts.degraded}. State lies in memory until that is repaired."
    if facts.questions:
        calls = "A call waits" if facts.questions == 1 else f"{facts.questions} calls wait"
        yield f"{calls} for an operator's answer: `meso approve`."
    if facts.failed_units:
        yield f"Failed units: {', '.join(facts.failed_units)}. See `systemctl status UNIT`."
    yield from _crashes(facts)
    for problem in facts.activation:
        yield f"The generation is not fully in force: {problem}."
    yield from _boots(facts.record)
    if facts.disk.share > FULL:
        yield f"The state partition is {facts.disk.share:.0%} full."
    if facts.memory.share > FULL:
        yield f"Memory is {facts.memory.share:.0%} in use."
    if facts.locked_days > OLD_DAYS:
        yield (
            f"The packages of this image were locked {facts.locked_days:.0f} days ago: security "
            "updates since then are missing. On your computer: `meso lock --update`, then build."
        )


def _crashes(facts: Facts) -> Iterator[str]:
    """Units that failed and came back; those that stay down are named already."""
    for unit in dict.fromkeys(one.unit for one in facts.failures):
        if unit not in facts.failed_units:
            all_ = [one for one in facts.failures if one.unit == unit]
            times = "once" if len(all_) == 1 else f"{len(all_)} times"
            last = f"the last time at {all_[-1].time} ({all_[-1].result})"
            yield f"{unit} failed {times} since the start, {last}, and runs again."


def _boots(record: Record | None) -> Iterator[str]:
    if record is None:
        yield "This boot is not on record: see `systemctl status meso-boot-record`."
        return
    if record.health is not None and not record.health.healthy:
        yield f"This boot was not healthy: {record.health.reason}."
    if record.slots is not None and not record.slots.confirmed:
        yield "This slot is on trial: the boot loader may still fall back from it."
    said = UNEXPECTED.get(record.previous.outcome)
    if said is not None:
        yield f"{said}: {record.previous.reason}."


def locked_days(manifest: Path, now: float) -> float:
    """Days since the image's packages were locked, from the factory generation; 0 if unknown."""
    try:
        return (now - float(json.loads(manifest.read_text())["created"])) / 86400
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def activation(account: Path) -> tuple[str, ...]:
    """What the activator could not do, from the account that it leaves; empty when all was done."""
    try:
        told = json.loads(account.read_text())
        refused = [f"{each['path']} was refused: {each['reason']}" for each in told["rejected"]]
        steps = [f"{each['name']}: {each['detail']}" for each in told["steps"] if not each["ok"]]
    except FileNotFoundError:
        return ("the activator has not run",)
    except (OSError, ValueError, KeyError, TypeError):
        return ("the activator's account cannot be read",)
    return tuple(refused + steps)
