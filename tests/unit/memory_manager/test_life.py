"""Laws of a memory's strength, for any life."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.memory_manager.life import Event, Parameters, state_of

DAY = 86400.0
PARAMETERS = st.builds(
    Parameters,
    half_life=st.floats(0.1, 1000).map(lambda d: d * DAY),
    gain=st.floats(0, 5),
    most=st.floats(1, 20),
    contradicted=st.floats(1, 50),
)
TIMES = st.floats(0, 2000 * DAY)
KINDS = st.sampled_from(
    ["read", "found", "contradicted", "reconciled", "edited", "merged", "forgotten", "unforgotten"]
)


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    times = draw(st.lists(TIMES, max_size=12))
    return [
        Event(time, f"{i:04x}", "m", draw(KINDS), other=draw(st.sampled_from(["x", "y"])))
        for i, time in enumerate(times)
    ]


@settings(max_examples=200, deadline=None)
@given(lives(), PARAMETERS, st.lists(TIMES, min_size=2, max_size=6))
def test_without_events_it_only_fades(
    life: list[Event], by: Parameters, waits: list[float]
) -> None:
    state = state_of(0.0, life, by)
    moments = sorted(state.time + wait for wait in waits)
    strengths = [state.at(moment, by) for moment in moments]
    assert strengths == sorted(strengths, reverse=True)
    assert all(0 <= strength <= max(by.most, 1.0) for strength in strengths)


@settings(max_examples=200, deadline=None)
@given(lives(), PARAMETERS, TIMES, st.sampled_from(["read", "found"]))
def test_a_use_never_weakens(life: list[Event], by: Parameters, when: float, kind: str) -> None:
    used = [*life, Event(when, "ffff", "m", kind)]
    end = max(event.time for event in used)
    before, after = state_of(0.0, life, by), state_of(0.0, used, by)
    for later in (end, end + DAY, end + 400 * DAY):
        assert after.at(later, by) >= before.at(later, by) * (1 - 1e-9) - 1e-12


@settings(max_examples=200, deadline=None)
@given(PARAMETERS, st.floats(0, 2), st.sampled_from(["read", "found"]))
def test_a_use_strengthens_what_is_not_full(by: Parameters, halves: float, kind: str) -> None:
    when = halves * by.half_life
    used = state_of(0.0, [Event(when, "ffff", "m", kind)], by)
    before = state_of(0.0, [], by).at(when, by)
    gain = min(by.gain * {"read": 1.0, "found": 0.2}[kind], by.most - before)
    assert used.at(when, by) >= before + gain - 1e-9


@settings(max_examples=150, deadline=None)
@given(lives(), PARAMETERS, st.randoms())
def test_the_order_in_which_it_became_known_does_not_matter(
    life: list[Event], by: Parameters, chance: random.Random
) -> None:
    shuffled = [*life, *life[:3]]
    chance.shuffle(shuffled)
    assert state_of(0.0, shuffled, by) == state_of(0.0, life, by)


@settings(max_examples=150, deadline=None)
@given(lives(), PARAMETERS, TIMES)
def test_contradicted_fades_at_least_as_fast(
    life: list[Event], by: Parameters, when: float
) -> None:
    calm = [event for event in life if event.kind not in ("contradicted", "reconciled")]
    against = [*calm, Event(when, "ffff", "m", "contradicted", other="z")]
    end = max(event.time for event in against) + 30 * DAY
    there, here = state_of(0.0, against, by), state_of(0.0, calm, by)
    assert there.at(end, by) <= here.at(end, by) * (1 + 1e-9) + 1e-12
    assert there.contradicted_by == ("z",)


def test_one_contradicted_half_life() -> None:
    by = Parameters(half_life=30 * DAY, contradicted=4)
    plain = state_of(0.0, [], by)
    against = state_of(0.0, [Event(0.0, "1", "m", "contradicted", other="z")], by)
    assert plain.at(30 * DAY, by) == 0.5
    assert against.at(30 * DAY, by) == 0.5**4


def test_a_loop_of_uses_counts_once_an_hour() -> None:
    by = Parameters()
    loop = [Event(10.0 + n, f"{n:04x}", "m", "read") for n in range(1000)]
    assert state_of(0.0, loop, by).uses == 1
    assert state_of(0.0, loop, by).strength < 1.51
