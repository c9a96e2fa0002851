"""Restart and power-off by the operator, who has no privileges and nobody to ask."""

from __future__ import annotations

import json

import pytest

from meso_host.vm.lab import LabMachine

NOBODY = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
# A service in the group `meso` reaches the socket; the unit itself must refuse it.
SERVICE = "setpriv --reuid=meso-mind-runner --regid=meso-mind-runner --init-groups"


def test_others_than_the_operator_are_refused(machine: LabMachine) -> None:
    refused = machine.run(f"{SERVICE} meso reboot --yes --json")
    assert json.loads(refused.stdout)["error"]["code"] == "power.not_operator"
    kept_out = machine.run(f"{NOBODY} meso reboot --yes --json")
    assert json.loads(kept_out.stdout)["error"]["code"] == "power.unreachable"


def test_it_wants_a_yes_and_a_dry_run_does_nothing(machine: LabMachine) -> None:
    refused = machine.run("meso poweroff --json </dev/null", user="operator")
    assert json.loads(refused.stdout)["error"]["code"] == "power.unconfirmed"
    shown = machine.run("meso reboot --dry-run --json", user="operator", check=True)
    assert json.loads(shown.stdout)["accepted"] is False


@pytest.mark.destructive
def test_a_restart_keeps_state_and_empties_the_scratchpad(workshop: LabMachine) -> None:
    before = workshop.run("cat /etc/machine-id").stdout
    workshop.run("touch /meso/scratchpad/gone /meso/workspaces/kept && mkdir /meso/scratchpad/d")
    assert workshop.run("ls /meso/scratchpad").stdout.split() == ["d", "gone"]
    with workshop.restarting():
        said = workshop.run("meso reboot --yes --json", user="operator", check=True)
        assert json.loads(said.stdout)["accepted"]
    assert workshop.run("ls -A /meso/scratchpad").stdout == ""
    assert workshop.root.file("/meso/workspaces/kept").exists
    assert workshop.run("cat /etc/machine-id").stdout == before
    last = json.loads(workshop.run("meso status --json").stdout)["last_boot"]
    assert last["outcome"] == "clean"
