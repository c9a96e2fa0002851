"""What an activation did: to the journal as it happens, to a file for `meso status`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from meso_services.activator.choose import Choice
from meso_services.activator.files import put

# journald reads the number as the line's priority.
_INFO, _ERROR = "<6>", "<3>"


@dataclass
class Step:
    """One step: `changed` if anything was different before, `detail` for people."""

    name: str
    ok: bool = True
    changed: bool = False
    detail: str = ""
    ms: float = 0.0


@dataclass
class Report:
    """The account of one activation."""

    choice: Choice
    steps: list[Step] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    at: float = field(default_factory=time.time)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run the block as one step. Whatever it raises is recorded and goes no further."""
        step, began = Step(name), time.monotonic()
        try:
            yield step
        except Exception as error:
            step.ok = False
            step.detail = f"{type(error).__name__}: {error}"
        step.ms = round((time.monotonic() - began) * 1000, 1)
        self.steps.append(step)
        say(_INFO if step.ok else _ERROR, f"{name}: {step.detail or 'done'}")

    @property
    def state(self) -> str:
        """`ok`, or `degraded` when a step failed or another generation was meant."""
        whole = all(step.ok for step in self.steps) and not self.choice.damage
        return "ok" if whole and not self.choice.rejected else "degraded"

    def write(self, path: Path) -> None:
        """Leave the account at `path`, as JSON with `schema` 1."""
        generation = self.choice.generation
        account = {
            "schema": 1,
            "state": self.state,
            "at": round(self.at, 3),
            "ms": round((time.monotonic() - self.began) * 1000, 1),
            "generation": {**asdict(generation), "path": str(generation.path)},
            "why": self.choice.why,
            "damage": self.choice.damage,
            "rejected": [{"path": str(p), "reason": reason} for p, reason in self.choice.rejected],
            "steps": [asdict(step) for step in self.steps],
        }
        put(path, json.dumps(account, indent=2) + "\n")


def announce(choice: Choice) -> None:
    """Say which generation it is, and why not another."""
    for path, reason in choice.rejected:
        say(_ERROR, f"refused the generation {path}: {reason}")
    if choice.damage:
        say(_ERROR, f"{choice.generation.path} is damaged and used all the same: {choice.damage}")
    say(_INFO, f"generation {choice.generation.path} ({choice.why})")


def say(priority: str, text: str) -> None:
    """One line to the journal."""
    sys.stderr.write(f"{priority}{text}\n")


def never_fails(act: Callable[[], None]) -> int:
    """Run `act`; an error that nothing else caught is reported, and the boot goes on."""
    try:
        act()
    except Exception as error:
        say(_ERROR, f"activation broke off: {type(error).__name__}: {error}")
    return 0
