"""Restart and power-off are the operator's, who has no privileges and nobody to ask.

`test_fallback` restarts.
"""

from __future__ import annotations

import json

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
