"""What fails on a machine is mended if it can be, and told where the operator looks."""

from __future__ import annotations

import json
import shlex
import socket
import time
from collections.abc import Sequence
from typing import Any

import pytest

from meso_host.vm.guest import free_port
from meso_host.vm.lab import LabMachine
from meso_services.runtime import process

pytestmark = pytest.mark.destructive
FROZEN = "meso-mind-runner.service"
DROP_IN = f"/run/systemd/system/{FROZEN}.d/99-test.conf"


def status(machine: LabMachine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.run("meso status --json", user="operator").stdout)
    return found


def failures(machine: LabMachine, unit: str) -> list[dict[str, Any]]:
    return [each for each in status(machine)["failures"] if each["unit"] == unit]


def wait_for(
    machine: LabMachine, unit: str, seconds: float, known: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The newest failure of the unit, once there is one that is not `known`."""
    end = time.monotonic() + seconds
    while not (found := [each for each in failures(machine, unit) if each not in known]):
        assert time.monotonic() < end, f"no failure of {unit} is on record"
        time.sleep(1)
    return found[-1]


def test_a_frozen_service_is_restarted_and_it_is_told(workshop: LabMachine) -> None:
    """With the watchdog's minute made five seconds, so that nobody waits for it."""
    asked = f"systemctl show -p WatchdogUSec -p MainPID --value {FROZEN}"
    assert "1min" in workshop.run(asked, check=True).stdout.split()
    lines = "[Service]\\nWatchdogSec=5\\nTimeoutAbortSec=5\\n"
    workshop.run(
        f"mkdir -p {DROP_IN.rpartition('/')[0]} && printf '{lines}' > {DROP_IN}"
        f" && systemctl daemon-reload && systemctl restart {FROZEN}",
        check=True,
    )
    main = f"systemctl show -p MainPID --value {FROZEN}"
    before = workshop.run(main, check=True).stdout.strip()
    known = failures(workshop, FROZEN)
    workshop.run(f"kill -STOP {before}", check=True)
    failure = wait_for(workshop, FROZEN, 120, known)
    assert (failure["result"], failure["restarted"]) == ("watchdog", True)
    end = time.monotonic() + 60
    while not status(workshop)["healthy"]:
        assert time.monotonic() < end
        time.sleep(1)
    assert workshop.run(main).stdout.strip() not in (before, "0")
    assert "Watchdog timeout" in workshop.run(f"journalctl -b -u {FROZEN} --no-pager").stdout
    workshop.run(f"rm {DROP_IN} && systemctl daemon-reload && systemctl restart {FROZEN}")


def test_a_unit_that_stays_down_is_told_in_every_place(workshop: LabMachine) -> None:
    unit = "doomed.service"
    workshop.run(f"systemd-run --unit={unit} --quiet /usr/bin/false", check=True)
    failure = wait_for(workshop, unit, 60)
    assert (failure["result"], failure["restarted"]) == ("exit-code", False)
    found = status(workshop)
    assert not found["healthy"]
    assert any(unit in warning for warning in found["warnings"])
    workshop.wait_for_console(f"{unit} failed (exit-code)", 30)
    *ssh, name = workshop.guest.ssh_command("operator")
    login = process.run([*ssh, "-tt", name], given="exit\n", check=False, timeout=90)
    assert unit in login.stdout
    workshop.run(f"systemctl reset-failed {unit}", check=True)
    assert status(workshop)["healthy"]


def test_a_door_that_listens_is_shut_to_the_outside(workshop: LabMachine) -> None:
    """The same program, port and way in: the firewall alone makes the difference."""
    inside, port = 8099, free_port()
    server = f"/usr/bin/python3 -I -m http.server {inside} --directory /usr/share/meso"
    workshop.run(f"systemd-run --unit=door --quiet {server}", check=True)
    ask = f"python3 -I -c {shlex.quote(ASK.format(port=inside))}"
    assert "200" in workshop.run(f"for i in 1 2 3 4 5; do {ask} && break; sleep 2; done").stdout
    with workshop.guest.qmp() as qmp:
        qmp.forward(port, inside)
    assert answer(port) == b""
    rule = f"tcp dport {inside} accept"
    workshop.run(f"nft insert rule inet meso input {rule}", check=True)
    assert answer(port).startswith(b"HTTP/1.0 200")
    workshop.run("systemctl stop door; systemctl reload nftables.service", check=True)
    assert rule not in workshop.run("nft list table inet meso").stdout


ASK = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/', timeout=9).status)"


def answer(port: int) -> bytes:
    """The first bytes of an HTTP answer from outside; none when nobody lets us in."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(8)
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(64)
    except OSError:
        return b""


def test_a_secret_of_the_hypervisor_reaches_the_proxy_and_nobody_else(
    workshop: LabMachine,
) -> None:
    name, secret = "meso.key.example", "sk-not-a-true-key"
    given = f"/run/credentials/meso-api-proxy.service/{name}"
    pid = "$(systemctl show -p MainPID --value meso-api-proxy)"
    seen = workshop.run(f"nsenter -t {pid} -m cat {given}", check=True)
    assert seen.stdout == secret
    have = workshop.run(f"ls -d /run/credentials/*/{name}").stdout.split()
    assert set(have) <= {given, f"/run/credentials/@system/{name}"}
    reader = "setpriv --reuid={user} --regid={user} --init-groups cat {path}"
    for path in have:
        for user in ("operator", "meso-mind-runner", "meso-tool-executor"):
            assert workshop.run(reader.format(user=user, path=path)).stdout == ""
