"""A figure beyond its bound is called so, whatever the numbers are."""

from __future__ import annotations

import pytest

from meso_host.bench.record import Against, Record


def verdict(value: float, kind: str, against: float, more_is_better: bool = False) -> str:
    return Record("x", value, "s", Against(kind, "it", against), more_is_better).verdict()


@pytest.mark.parametrize(
    ("value", "bound", "more", "expected"),
    [
        (2.0, 2.0, False, "within"),
        (2.1, 2.0, False, "BEYOND"),
        (0.0, 0.0, False, "within"),
        (1.0, 0.0, False, "BEYOND"),  # images that differ, of none allowed
        (0.0, 2000.0, True, "BEYOND"),
        (2500.0, 2000.0, True, "within"),
    ],
)
def test_a_bound_is_kept_or_not(value: float, bound: float, more: bool, expected: str) -> None:
    assert verdict(value, "bound", bound, more) == expected


def test_a_peer_is_compared_by_ratio() -> None:
    assert verdict(20.0, "peer", 60.0) == "3.0 times better"
    assert verdict(60.0, "peer", 20.0) == "3.0 times worse"
    assert verdict(60.0, "peer", 20.0, more_is_better=True) == "3.0 times better"
