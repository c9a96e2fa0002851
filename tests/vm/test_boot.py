"""A boot is quiet, needs no network, and leaves a record."""

from __future__ import annotations

import json

import pytest

from meso_host.vm import health
from meso_host.vm.lab import HEALTH_SECONDS, LOGIN_SECONDS, LabMachine


def test_the_journal_holds_no_errors(machine: LabMachine) -> None:
    lines = machine.run("journalctl -b -p err -o short-monotonic --no-pager -q")
    assert lines.status in (0, 1)  # 1: there is nothing to show
    assert lines.stdout == ""


def test_the_boot_is_on_record(machine: LabMachine) -> None:
    status = json.loads(machine.run("meso status --json", user="operator").stdout)
    assert status["this_boot"]["healthy"]
    assert status["slot"]["letter"] == "a"
    assert status["slot"]["confirmed"]
    assert status["last_boot"]["outcome"] == "first-boot"
    assert status["generation"]["counter"] == 0


def test_status_answers_quickly_to_anyone_in_the_group(machine: LabMachine) -> None:
    shown = machine.run("meso status --brief", user="operator", timeout=10)
    assert shown.stdout.startswith("MESO OS")


def test_the_journal_is_kept_and_capped(machine: LabMachine) -> None:
    assert machine.run("ls /var/log/journal/$(cat /etc/machine-id)").stdout
    shown = machine.run("systemd-analyze cat-config systemd/journald.conf").stdout
    assert "SystemMaxUse=" in shown


def test_nothing_waits_for_the_network(machine: LabMachine) -> None:
    chain = machine.run("systemctl list-dependencies --all --plain multi-user.target", check=True)
    assert "network-online.target" not in chain.stdout


@pytest.mark.destructive
def test_a_kernel_panic_restarts_the_machine_and_is_remembered(fresh_machine: LabMachine) -> None:
    """The kernel's last words survive in the firmware's memory."""
    fresh_machine.run("sync; (sleep 2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
    fresh_machine.wait_for_console("Kernel panic", 120)
    fresh_machine.guest.wait_for_login(LOGIN_SECONDS, user="root")
    health.wait(fresh_machine.guest, HEALTH_SECONDS)
    last = json.loads(fresh_machine.run("meso status --json").stdout)["last_boot"]
    assert last["outcome"] == "panic"
    assert "sysrq" in last["reason"]
