"""Rate limits: over any stretch of time no more gets through than the limit and one burst."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.care.bucket import Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


STEPS = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=60)


@given(st.integers(1, 120), STEPS)
def test_never_more_than_the_limit_and_one_burst(
    limit: int, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    bucket = Bucket(limit, clock)
    began, through = clock.now, 0
    for pause, amount in steps:
        clock.now += pause
        wanted = min(amount, limit)
        if bucket.take(wanted) == 0.0:
            through += wanted
        assert through <= limit + (clock.now - began) / 60 * limit + 1e-6


@given(st.integers(1, 120), STEPS)
def test_who_waits_as_told_gets_through(limit: int, steps: list[tuple[float, int]]) -> None:
    """The wait that is told is enough, and not much longer than needed."""
    clock = Clock()
    bucket = Bucket(limit, clock)
    for pause, amount in steps:
        clock.now += pause
        wait = bucket.take(amount)
        if wait:
            clock.now += wait * 0.98
            assert bucket.take(amount) > 0 or wait < 1e-3
            clock.now += wait * 0.02 + 1e-6
            assert bucket.take(amount) == 0.0


def test_what_was_used_beyond_the_estimate_is_paid_back_by_waiting() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    assert bucket.take(10) == 0.0
    bucket.correct(110)  # it cost much more: one minute of debt
    assert bucket.take(1) > 60
    clock.now += 61.1
    assert bucket.take(1) == 0.0


def test_more_than_it_can_hold_passes_when_it_is_full() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    assert bucket.take(600) == 0.0
    assert bucket.take(1) > 500


def test_a_clock_that_goes_back_gives_nothing() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.take(60)
    clock.now -= 500
    assert bucket.take(1) > 0


def test_a_changed_limit_does_not_forgive_what_was_used() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.take(60)
    bucket.resize(120)
    assert bucket.take(61) > 0
    assert bucket.take(60) == 0.0
