"""On a booted machine every unit is up, closed in, and takes no more than it needs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from meso_host.vm.lab import LabMachine
from meso_services.boot.machine import ON_DEMAND, SERVICES
from meso_services.runtime import process

EXPOSURE = 1.5
# The sandbox is made of namespaces; modules/units/tool-executor.nix says what for.
EXPOSURE_OF_SANDBOX = 2.5
IDLE_BYTES = 350 << 20


def health(machine: LabMachine, service: str, query: str = "") -> dict[str, Any]:
    """The service's health report, asked as the operator."""
    program = (
        "import json, pathlib; from meso_services.boot import client; "
        f"path = pathlib.Path('/run/meso/{service}.sock'); "
        f"print(json.dumps(client.get(path, '/healthz{query}', 90)[1]))"
    )
    asked = machine.run(f'python3 -I -c "{program}"', user="operator", check=True)
    report: dict[str, Any] = json.loads(asked.stdout)
    return report


def test_all_six_services_are_healthy(machine: LabMachine) -> None:
    status = json.loads(machine.run("meso status --json", user="operator").stdout)
    states = {service["name"]: service["state"] for service in status["services"]}
    assert list(states) == [*SERVICES, *ON_DEMAND]
    assert {states[name] for name in SERVICES} <= {"ok", "degraded"}
    assert status["healthy"], status["warnings"]


def test_no_unit_failed_and_the_boot_is_complete(machine: LabMachine) -> None:
    assert machine.run("systemctl is-system-running --wait").stdout.strip() == "running"
    assert machine.run("systemctl --failed --no-legend --plain", check=True).stdout == ""
    assert machine.run("systemctl is-active boot-complete.target").stdout.strip() == "active"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_passes_its_deep_checks_in_its_sandbox(machine: LabMachine, service: str) -> None:
    report = health(machine, service, "?deep=1")
    assert report["state"] in ("ok", "degraded"), report["checks"]
    assert report["service"] == service


def test_every_unit_stays_below_its_exposure(machine: LabMachine) -> None:
    listed = machine.run("systemctl list-unit-files 'meso-*.service' --no-legend --plain").stdout
    # A template is judged by an instance of it.
    names = [line.split()[0].replace("@.", "@any.") for line in listed.splitlines()]
    exposures = {name: exposure(machine, name) for name in names}
    assert len(exposures) >= len(SERVICES)
    assert exposures.pop("meso-tool-executor.service") <= EXPOSURE_OF_SANDBOX
    assert {name: value for name, value in exposures.items() if value > EXPOSURE} == {}


def exposure(machine: LabMachine, name: str) -> float:
    """What `systemd-analyze security` says of the running unit, from 0 to 10."""
    text = machine.run(f"systemd-analyze security --no-pager {name}", check=True).stdout
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.early
def test_the_six_together_take_little_memory_when_idle(machine: LabMachine) -> None:
    """Their working set: what is charged to their control groups, without the cached pages
    that the kernel drops first. A mind that has clustered keeps the libraries for it."""
    units = " ".join(f"meso-{service}.service" for service in SERVICES)
    groups = machine.run(f"systemctl show -p ControlGroup --value {units}", check=True).stdout
    files = " ".join(
        f"/sys/fs/cgroup{group}/{file}"
        for group in groups.split()
        for file in ("memory.current", "memory.stat")
    )
    lines = machine.run(f"cat {files}", check=True).stdout.splitlines()
    charged = sum(int(line) for line in lines if line.isdecimal())
    cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    assert len(groups.split()) == len(SERVICES)
    assert charged - cached <= IDLE_BYTES


def test_a_killed_service_comes_back_and_its_callers_only_wait(machine: LabMachine) -> None:
    """The socket is systemd's: who calls in between is served by the next process."""
    machine.run("systemctl kill --signal=KILL meso-mind-runner.service", check=True)
    assert health(machine, "mind-runner")["state"] in ("ok", "degraded")


def test_the_screen_shows_the_status_and_asks_for_no_login(machine: LabMachine) -> None:
    screen = machine.run("fold -w 80 /dev/vcs1").stdout
    assert "MESO OS" in screen
    assert "session manager" in screen
    assert "login:" not in screen


def test_the_login_message_says_how_the_machine_is(machine: LabMachine) -> None:
    *ssh, name = machine.guest.ssh_command("operator")
    shown = process.run([*ssh, "-tt", name], given="exit\n", check=False, timeout=90)
    assert shown.stdout.startswith("MESO OS")
