"""What triggers are held against: a message and what goes on around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from meso_services.genome.models import Case

MAX_PATHS = 500
_PATH = re.compile(r"[\w.~/\-]+")


@dataclass(frozen=True)
class Nearest:
    """The declared text that is nearest in meaning, and the cosine (0 to 1)."""

    text: str
    cosine: float


@dataclass(frozen=True)
class Situation:
    """A message, and what goes on around it. `now` is the appliance's local time.

    `similar` holds, per operon that declares it, what the embedding model found;
    without a model it is empty and no operon loads for its meaning.
    """

    text: str = ""
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    now: datetime | None = None
    similar: Mapping[str, Nearest] = field(default_factory=dict)


def of_case(case: str | Case) -> Situation:
    """The situation that an operon's own test describes."""
    if isinstance(case, str):
        return Situation(case)
    now = datetime.fromisoformat(case.now) if case.now else None
    return Situation(case.text, case.files, case.tools, case.tasks, now)


def paths(situation: Situation) -> Iterator[tuple[str, int | None]]:
    """File names: those given, then those that stand in the text with their offset."""
    yield from ((name, None) for name in situation.files[:MAX_PATHS])
    left = MAX_PATHS
    for found in _PATH.finditer(situation.text):
        name = found.group().rstrip(".-")
        if ("." in name or "/" in name) and len(name) > 2:
            yield name, found.start()
            if not (left := left - 1):
                return
