"""A boot is quiet, needs no network, and leaves a record."""

from __future__ import annotations

import json

import pytest

from meso_host.vm.lab import LabMachine


@pytest.mark.early
def test_the_journal_holds_no_errors(machine: LabMachine) -> None:
    """Of the boot. What tests do to the machine afterwards, such as a command that outgrows its
    memory, the kernel rightly reports as an error."""
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
    settings = [line for line in shown.splitlines() if line.startswith("SystemMaxUse=")]
    assert settings[-1] == "SystemMaxUse=256M"
    # journald's own account of the limit that it keeps.
    assert "max 256M" in machine.run("journalctl -b -u systemd-journald --no-pager").stdout


def test_the_operator_reads_the_journal(machine: LabMachine) -> None:
    asked = "journalctl -b -u meso-session-manager -n 1 -q --no-pager"
    assert "meso" in machine.run(asked, user="operator", check=True).stdout


def test_the_boot_menu_waits_three_seconds(machine: LabMachine) -> None:
    """0 would hide it, and with it recovery; `meso config check` warns of that."""
    lines = machine.run("cat /boot/loader/loader.conf", check=True).stdout.splitlines()
    assert "timeout 3" in lines
    assert "Boot in " in machine.console()


def test_nothing_waits_for_the_network(machine: LabMachine) -> None:
    chain = machine.run("systemctl list-dependencies --all --plain multi-user.target", check=True)
    assert "network-online.target" not in chain.stdout


@pytest.mark.destructive
def test_a_kernel_panic_restarts_the_machine_and_is_remembered(workshop: LabMachine) -> None:
    """The kernel's last words survive in the firmware's memory."""
    with workshop.restarting():
        workshop.run("sync; (sleep 2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
        workshop.wait_for_console("Kernel panic", 120)
    last = json.loads(workshop.run("meso status --json").stdout)["last_boot"]
    assert last["outcome"] == "panic"
    assert "sysrq" in last["reason"]
