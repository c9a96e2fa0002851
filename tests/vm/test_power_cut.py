"""A hard power-off during writes leaves a machine that boots healthy and kept its word.

A sample; `meso test soak power` runs hundreds. The first boot, in which the state partition
grows, is cut as well.
"""

from __future__ import annotations

import pytest

from meso_host.testing import power
from meso_host.vm.lab import LabMachine

ROUNDS = 1
STATES = 5


@pytest.mark.machine(power_cut=True, start=False)
def test_acknowledged_entries_outlive_power_cuts(fresh_machine: LabMachine) -> None:
    go_on = lambda rounds: rounds < ROUNDS  # noqa: E731
    tally = power.campaign(fresh_machine, go_on, seed=2026, states=STATES)
    assert tally.failures == []
    assert tally.rounds == ROUNDS
    assert tally.boot_cuts == 1
    assert tally.crash_states == STATES
    assert tally.acknowledged > 0
    # A cut that loses nothing would prove nothing.
    assert tally.unflushed_sectors > 0
