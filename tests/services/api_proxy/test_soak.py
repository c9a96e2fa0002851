"""A sample of `meso test soak proxy`: thousands of requests of every sort, and memory stays."""

from __future__ import annotations

from pathlib import Path

from meso_host.testing import proxy_soak

ROUNDS = 3


def test_thousands_of_requests_leave_nothing_behind(root: Path) -> None:
    tally = proxy_soak.campaign(root, lambda rounds: rounds < ROUNDS)
    assert tally.failures == []
    assert tally.requests == ROUNDS * proxy_soak.ROUND
    assert tally.gone == ROUNDS * proxy_soak.GONE
    assert tally.resident[-1] < proxy_soak.MOST_MIB
