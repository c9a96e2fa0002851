"""No unit waits for the network."""

from __future__ import annotations

import json
import re

import pytest

from meso_host.vm.lab import LabMachine


@pytest.mark.machine(plugged=False)
def test_all_six_are_healthy_with_the_cable_out(fresh_machine: LabMachine) -> None:
    """The cable went in only after the console had said that all six are healthy."""
    said = fresh_machine.console()
    assert "all six services are healthy" in said
    blessed = monotonic(fresh_machine, "boot-complete.target")
    online = first_carrier(fresh_machine)
    assert blessed < online, "healthy and blessed before there was a network"
    status = json.loads(fresh_machine.run("meso status --json", user="operator").stdout)
    assert status["healthy"], status["warnings"]


def monotonic(machine: LabMachine, unit: str) -> float:
    """When the unit became active, in seconds since the kernel started."""
    show = f"systemctl show -p ActiveEnterTimestampMonotonic --value {unit}"
    return int(machine.run(show, check=True).stdout) / 1e6


def first_carrier(machine: LabMachine) -> float:
    """When networkd first saw a cable, in seconds since the kernel started."""
    journal = "journalctl -b -u systemd-networkd -o json --output-fields=MESSAGE --no-pager"
    lines = [json.loads(line) for line in machine.run(journal, check=True).stdout.splitlines()]
    # The loopback has its carrier from the start.
    cable = [x for x in lines if re.fullmatch(r"en\w+: Gained carrier", x["MESSAGE"])]
    times = [int(x["__MONOTONIC_TIMESTAMP"]) for x in cable]
    assert times, "the cable was never plugged in"
    return min(times) / 1e6
