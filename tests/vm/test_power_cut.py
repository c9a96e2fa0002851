"""A hard power-off during writes leaves a machine that boots healthy and kept its word.

A sample; `meso test soak power` runs hundreds. How many sectors a cut loses is chance, so it is
not asserted here: that the disk forgets them is shown in tests/unit/vm/test_power_disk.py.
"""

from __future__ import annotations

import pytest

from meso_host.testing import power
from meso_host.vm.lab import LabMachine

ROUNDS = 2


@pytest.mark.machine(power_cut=True, start=False)
def test_acknowledged_entries_outlive_power_cuts(fresh_machine: LabMachine) -> None:
    tally = power.campaign(fresh_machine, lambda rounds: rounds < ROUNDS, seed=2026)
    assert tally.failures == []
    assert tally.rounds == ROUNDS
    assert tally.acknowledged > 0
