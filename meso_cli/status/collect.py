"""Collects the status. Whatever cannot be learned is left empty: a status never fails."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from meso_cli.status import system, warnings
from meso_cli.status.model import (
    Failure,
    Generation,
    LastBoot,
    Service,
    SlotState,
    Status,
    ThisBoot,
)
from meso_cli.status.system import Unit
from meso_services.boot import client, notices, probe, records, slots
from meso_services.boot.machine import ON_DEMAND, SERVICES, Machine, first_line
from meso_services.boot.records import Record

HEALTH_SECONDS = 3.0
# A unit that systemd does not run is not asked: asking would start it.
ASKED = ("active", "reloading")


def collect(machine: Machine) -> Status:
    """The status at this moment; takes as long as the slowest service, at most 3 s."""
    record = records.load(machine.records)
    units = system.units()
    found = services(machine, units)
    failed = failures(machine)
    facts = warnings.Facts(
        degraded=first_line(machine.initrd / "degraded"),
        failed_units=tuple(name for name, unit in units.items() if unit.active == "failed"),
        activation=warnings.activation(machine.sockets / "activation.json"),
        failures=failed,
        record=record,
        memory=system.memory(machine),
        disk=system.disk(machine),
        locked_days=warnings.locked_days(machine.factory / "manifest.json", time.time()),
        questions=questions(machine, found),
    )
    healthy = all(service.well for service in found) and not facts.failed_units
    return Status(
        version=slots.running(machine).version,
        hostname=os.uname().nodename,
        healthy=healthy and not facts.degraded,
        uptime_seconds=system.uptime(machine),
        slot=slot(machine, record),
        generation=generation(machine.sockets / "current"),
        services=found,
        this_boot=this_boot(record),
        last_boot=last_boot(record),
        addresses=system.addresses(),
        memory=facts.memory,
        disk=facts.disk,
        warnings=tuple(warnings.warn(facts)),
        failures=failed,
    )


def questions(machine: Machine, found: tuple[Service, ...]) -> int:
    """How many calls of agents wait for an operator; 0 where nobody can say."""
    if not any(one.name == "tool-executor" and one.well for one in found):
        return 0
    try:
        _, body = client.get(machine.socket("tool-executor"), "/v1/policy", HEALTH_SECONDS)
        return int(body["waiting"])
    except (client.UnreachableError, KeyError, TypeError, ValueError):
        return 0


def failures(machine: Machine) -> tuple[Failure, ...]:
    """What failed since this machine was started, the oldest first."""
    boot_id = first_line(machine.boot_id)
    return tuple(
        Failure(one.time, one.unit, one.result, one.restarted)
        for one in notices.load(machine.records)
        if one.boot_id == boot_id
    )


def services(machine: Machine, units: Mapping[str, Unit]) -> tuple[Service, ...]:
    """The six, in their order, then what systemd starts on demand."""
    there = [name for name in ON_DEMAND if machine.socket(name).exists()]
    known = {name: units.get(f"meso-{name}.service") for name in (*SERVICES, *there)}
    asked = [
        name
        for name, unit in known.items()
        if (unit is None and name not in ON_DEMAND) or (unit and unit.active in ASKED)
    ]
    answers = {p.service: p for p in probe.ask_all(machine, asked, HEALTH_SECONDS)}
    return tuple(
        Service(name, answers[name].state, answers[name].detail)
        if name in answers
        else _silent(name, unit)
        for name, unit in known.items()
    )


def _silent(name: str, unit: Unit | None) -> Service:
    if name in ON_DEMAND and (unit is None or unit.active == "inactive"):
        return Service(name, "idle", "starts when it is asked")
    if unit is None:
        return Service(name, "stopped", "")
    states = {"activating": "starting", "failed": "failed"}
    detail = f"its unit is {unit.active} ({unit.sub})" if unit.active == "failed" else ""
    return Service(name, states.get(unit.active, "stopped"), detail)


def slot(machine: Machine, record: Record | None) -> SlotState:
    """The running slot; unconfirmed while the boot loader still counts its tries."""
    facts = slots.running(machine)
    settled = record.slots if record else None
    confirmed = settled.confirmed if settled else not slots.counted(machine)
    return SlotState(facts.letter, facts.version, facts.roothash, confirmed)


def generation(link: Path) -> Generation:
    """The generation that `link` points at."""
    try:
        target = link.resolve(strict=True)
        manifest = json.loads((target / "manifest.json").read_text())
        identity = manifest.get("identity", {})
        return Generation(int(manifest["counter"]), str(target), str(identity.get("hash", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Generation(None, "", "")


def this_boot(record: Record | None) -> ThisBoot | None:
    """This boot as far as it is on record."""
    if record is None:
        return None
    health = record.health
    if health is None:
        return ThisBoot(record.number, None, 0.0, "")
    return ThisBoot(record.number, health.healthy, health.seconds, health.reason)


def last_boot(record: Record | None) -> LastBoot | None:
    """The boot before this one."""
    if record is None:
        return None
    end = record.previous
    return LastBoot(end.outcome.value, end.reason, end.version)
