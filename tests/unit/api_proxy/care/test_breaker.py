"""Circuit breakers: open after failures, one probe at a time, longer pauses, closed by success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.care.breaker import PROBE_SECONDS, Rules, UpstreamBreaker
from meso_services.api_proxy.care.interface import BreakerState


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[UpstreamBreaker, Clock]:
    clock = Clock()
    return UpstreamBreaker("near", Rules(3, 10, 60), clock), clock


def fail(breaker: UpstreamBreaker, times: int) -> None:
    for _ in range(times):
        permit = breaker.enter()
        assert permit is not None
        permit.failure()


def test_it_opens_after_failures_in_a_row() -> None:
    breaker, _ = made()
    fail(breaker, 2)
    permit = breaker.enter()
    assert permit is not None
    permit.success()
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    assert breaker.enter() is None
    assert breaker.retry_after() == 10


def test_one_probe_finds_out() -> None:
    breaker, clock = made()
    fail(breaker, 3)
    clock.now = 10
    assert breaker.state is BreakerState.HALF_OPEN
    probe = breaker.enter()
    assert probe is not None
    assert breaker.enter() is None  # one at a time
    probe.success()
    assert breaker.state is BreakerState.CLOSED


def test_the_pause_doubles_up_to_its_bound() -> None:
    breaker, clock = made()
    fail(breaker, 3)
    pauses = []
    for _ in range(5):
        pauses.append(breaker.retry_after())
        clock.now += breaker.retry_after()
        fail(breaker, 1)
    assert pauses == [10, 20, 40, 60, 60]


def test_an_abandoned_probe_leaves_room_for_the_next() -> None:
    breaker, clock = made()
    fail(breaker, 3)
    clock.now = 10
    probe = breaker.enter()
    assert probe is not None
    probe.abandon()
    assert breaker.enter() is not None


def test_a_forgotten_probe_does_not_close_the_door_for_ever() -> None:
    breaker, clock = made()
    fail(breaker, 3)
    clock.now = 10
    assert breaker.enter() is not None
    clock.now += PROBE_SECONDS
    assert breaker.enter() is not None


def test_old_requests_say_nothing_about_now() -> None:
    """Requests from before it opened end late; neither their luck nor their failure counts."""
    breaker, _ = made()
    early = [breaker.enter() for _ in range(5)]
    fail(breaker, 3)
    first, second, *_ = [permit for permit in early if permit]
    first.success()
    second.failure()
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after() == 10


@given(st.lists(st.sampled_from(["success", "failure", "abandon", "enter", "wait"]), max_size=200))
def test_it_is_never_stuck(events: list[str]) -> None:
    """After any history, waiting long enough always gives a permit, and success closes it."""
    breaker, clock = made()
    held = []
    for event in events:
        if event == "enter":
            if (permit := breaker.enter()) is not None:
                held.append(permit)
        elif event == "wait":
            clock.now += 7
        elif held:
            getattr(held.pop(), event)()
    clock.now += 60 + PROBE_SECONDS
    permit = breaker.enter()
    assert permit is not None
    permit.success()
    assert breaker.state is BreakerState.CLOSED
