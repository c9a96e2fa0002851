"""Facts that the kernel and systemd tell: units, addresses, memory, disk, uptime."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from meso_cli.status.model import Address, Space
from meso_services.boot.machine import Machine, first_line
from meso_services.runtime import process

ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Unit:
    """How systemd sees a unit: active, activating, failed, inactive …, and the finer state."""

    active: str
    sub: str


def units() -> dict[str, Unit]:
    """All units that systemd has loaded, by name; empty where it cannot be asked."""
    listed = _json(["systemctl", "list-units", "--all", "--output=json"])
    return {
        str(entry.get("unit")): Unit(str(entry.get("active")), str(entry.get("sub")))
        for entry in listed
    }


def addresses() -> tuple[Address, ...]:
    """Addresses that other machines can use, in the kernel's order."""
    return tuple(
        Address(str(link.get("ifname", "")), str(info.get("local", "")))
        for link in _json(["ip", "-json", "address", "show", "up"])
        for info in link.get("addr_info", [])
        if info.get("scope") == "global"
    )


def memory(machine: Machine) -> Space:
    """What cannot be made free counts as used."""
    try:
        lines = (machine.root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return Space(0, 0)
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
    total = kib.get("MemTotal", 0)
    return Space((total - kib.get("MemAvailable", total)) << 10, total << 10)


def disk(machine: Machine) -> Space:
    """The state partition; blocks kept for the system count as used."""
    try:
        facts = os.statvfs(machine.root / "meso")
    except OSError:
        return Space(0, 0)
    return Space(
        (facts.f_blocks - facts.f_bavail) * facts.f_frsize, facts.f_blocks * facts.f_frsize
    )


def uptime(machine: Machine) -> float:
    """Seconds since the kernel started."""
    words = first_line(machine.root / "proc/uptime").split()
    return float(words[0]) if words else 0.0


def _output(argv: list[str]) -> str:
    try:
        return process.run(argv, timeout=ASK_SECONDS, check=False).stdout
    except process.CommandError:
        return ""


def _json(argv: list[str]) -> list[dict[str, Any]]:
    try:
        data = json.loads(_output(argv) or "[]")
    except ValueError:
        return []
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
