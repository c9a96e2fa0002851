"""How the boot before this one ended, judged from what it and the hardware left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_services.boot.machine import Machine, first_line
from meso_services.boot.records import End, Outcome, Record

CARD_RESET = 0x20  # WDIOF_CARDRESET: the watchdog reset the machine
PANIC = "Kernel panic - not syncing"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is found at boot. `panics` maps a filed panic to its message."""

    watchdog: bool
    panics: dict[str, str]
    exhausted: tuple[str, ...]


def gather(machine: Machine, exhausted: tuple[str, ...]) -> Evidence:
    """Look for what the last boot left; `exhausted` are boot entries without tries left."""
    return Evidence(_watchdog(machine), _panics(machine), exhausted)


def judge(last: Record | None, version: str, evidence: Evidence) -> End:
    """The end of the last boot, from the strongest sign to the weakest."""
    if last is None:
        return End(Outcome.FIRST, "no boot of this machine is on record")
    outcome, reason = _judge(last, version, evidence)
    return End(outcome, reason, last.version, last.slot)


def _judge(last: Record, version: str, evidence: Evidence) -> tuple[Outcome, str]:
    failed = [name for name in evidence.exhausted if name not in last.exhausted]
    if failed:
        why = f": {last.intent}" if last.intent else ""
        names = ", ".join(failed)
        return Outcome.FALLBACK, f"{names} used up its tries; {version} runs instead{why}"
    if last.intent:
        return Outcome.HEALTH, last.intent
    panics = [text for name, text in evidence.panics.items() if name not in last.panics]
    if panics:
        return Outcome.PANIC, panics[-1]
    if last.closed:
        return Outcome.CLEAN, "shut down in order"
    if evidence.watchdog:
        return Outcome.WATCHDOG, "the hardware watchdog reset a machine that hung"
    return Outcome.POWER_LOSS, "it stopped without shutting down: power loss or a hard reset"


def _watchdog(machine: Machine) -> bool:
    states = sorted(machine.watchdogs.glob("*/bootstatus"))
    return any(int(text) & CARD_RESET for path in states if (text := first_line(path)).isdigit())


def _panics(machine: Machine) -> dict[str, str]:
    found = {}
    for path in sorted(machine.panics.glob("**/dmesg.txt")):
        lines = [line for line in _lines(path) if PANIC in line]
        if lines:
            found[str(path.parent.relative_to(machine.panics))] = lines[-1][
                lines[-1].index("Kernel") :
            ]
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
