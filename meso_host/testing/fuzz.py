"""Fuzzing: rounds of what the service tests ask for a few seconds, for as long as wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from meso_host.setup import tree
from meso_services.runtime import process

TEST = "tests/services/test_fuzz.py"
LAST_LINES = 5


@dataclass(slots=True)
class Tally:
    """What the rounds have shown so far. `failures` are sentences."""

    rounds: int = 0
    failures: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int]:
        """The figures, by what they count."""
        return {"rounds over the interfaces of all six services, about a minute each": self.rounds}


def campaign(go_on: Callable[[int], bool]) -> Tally:
    """Fuzz all six services as long as `go_on(rounds)`; the first failing round ends it."""
    tally = Tally()
    while not tally.failures and go_on(tally.rounds):
        asked = process.run(
            [sys.executable, "-m", "pytest", TEST, "-q", "--no-header"], cwd=tree.TOP, check=False
        )
        tally.rounds += 1
        if asked.status:
            last = " / ".join(asked.stdout.strip().splitlines()[-LAST_LINES:])
            tally.failures.append(f"round {tally.rounds}: {last}")
    return tally
