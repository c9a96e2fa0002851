"""Which generation becomes current?

Candidates are tried in order and the first whole one is taken. Generation 0 in
the verified root is always the last: dm-verity vouches for it, and it serves
whenever nothing else does. Later generations join in `candidates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_services.activator.verify import DamagedError, Generation, verify

FACTORY = "usr/share/meso/factory"


@dataclass(frozen=True)
class Candidate:
    """A place to look, and why it would be the one."""

    path: Path
    why: str


@dataclass(frozen=True)
class Choice:
    """The generation to make current; `rejected` says what came before it and failed.

    `damage` is empty unless even the last resort is not whole.
    """

    generation: Generation
    why: str
    rejected: tuple[tuple[Path, str], ...] = ()
    damage: str = ""


def candidates(root: Path) -> list[Candidate]:
    """Where generations may lie below `root`, best first."""
    return [Candidate(root / FACTORY, "generation 0 of the verified root")]


def choose(places: list[Candidate]) -> Choice:
    """The first whole candidate; the last one, damaged as it is, when there is none."""
    rejected: list[tuple[Path, str]] = []
    for place in places:
        try:
            return Choice(verify(place.path), place.why, tuple(rejected))
        except DamagedError as error:
            rejected.append((place.path, str(error)))
    last, damage = rejected.pop()
    unknown = Generation(last, "unknown", 0, "")
    return Choice(unknown, "last resort: no generation is whole", tuple(rejected), damage)
