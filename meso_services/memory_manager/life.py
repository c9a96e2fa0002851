"""How strong a memory is: it fades with age, use strengthens it, contradiction wears it faster.

Strength is 1 at birth and halves every `half_life` seconds. A use adds `gain`, up to `most`;
uses within one hour of the clock count as the last of them, so that a loop does not make a
memory immortal. While another memory contradicts it, it fades `contradicted` times as fast.
All of it follows from the set of events, whatever order they became known in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOUR = 3600.0
# What tells of a memory's life. `id` of the event makes the same one count once.
USES = {"read": 1.0, "found": 0.2}


@dataclass(frozen=True, order=True)
class Event:
    """Something that happened to a memory at `time` (Unix seconds), because of `by`.

    `kind` is born, noticed, edited, merged, read, found, contradicted, reconciled, forgotten,
    unforgotten, faded, reverted, restored, gone or purged. `about` says more, for a person; for
    contradicted and reconciled, `other` is the id of the memory on the other side.
    """

    time: float
    id: str
    memory: str
    kind: str
    by: str = ""
    path: str = ""
    other: str = ""
    about: str = ""


@dataclass(frozen=True)
class Parameters:
    """`half_life` in seconds; see the module."""

    half_life: float = 30 * 86400.0
    gain: float = 0.5
    most: float = 4.0
    contradicted: float = 4.0


@dataclass(frozen=True)
class State:
    """What the events come to: strength as of `time`, and by which memories it is contradicted."""

    strength: float
    time: float
    contradicted_by: tuple[str, ...]
    uses: int
    last: float

    def at(self, now: float, parameters: Parameters) -> float:
        """The strength at `now`; an earlier `now` than the last event's counts as that."""
        age = max(0.0, now - self.time)
        return self.strength * _left(age, bool(self.contradicted_by), parameters)


def born(time: float) -> State:
    """A memory of which nothing is known but its age."""
    return State(1.0, time, (), 0, time)


def state_of(birth: float, events: Iterable[Event], parameters: Parameters) -> State:
    """Follow a memory from `birth` through its events, in whatever order they are given."""
    state = born(birth)
    for event in _counted(sorted({event.id: event for event in events}.values())):
        state = _after(state, event, parameters)
    return state


def _after(state: State, event: Event, parameters: Parameters) -> State:
    time = max(state.time, event.time)
    strength, against = state.at(time, parameters), set(state.contradicted_by)
    uses, last = state.uses, state.last
    if event.kind in USES:
        gained = strength + USES[event.kind] * parameters.gain
        strength, uses = max(strength, min(parameters.most, gained)), uses + 1
        last = time
    elif event.kind == "contradicted":
        against.add(event.other)
    elif event.kind == "reconciled":
        against.discard(event.other)
    elif event.kind in ("edited", "merged", "unforgotten", "reverted"):
        # Somebody cared for it: it is as strong as a new one at least.
        strength, last = max(strength, 1.0), time
    return State(strength, time, tuple(sorted(against)), uses, last)


def _counted(events: Sequence[Event]) -> list[Event]:
    """The events in order; of the uses of one kind in an hour only the last."""
    latest = {(event.kind, math.floor(event.time / HOUR)): event.id
              for event in events if event.kind in USES}  # fmt: skip
    kept = frozenset(latest.values())
    return [event for event in events if event.kind not in USES or event.id in kept]


def _left(age: float, contradicted: bool, parameters: Parameters) -> float:
    halves = age / parameters.half_life * (parameters.contradicted if contradicted else 1.0)
    return float(2.0 ** -min(halves, 1000.0))
