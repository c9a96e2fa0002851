"""What gives way when the budget is short, in an order that everybody can check.

Operons that match are taken in this order until the budget is used up:

1. those that the message itself calls (word, pattern, file, tool, task) before
   those that only the time or a similar meaning calls;
2. more distinct triggers first;
3. the smaller text first, what it requires included;
4. by name.

An operon comes with everything that it requires or not at all. One that does not
fit is left out and said so, with the tokens it would have needed; a smaller one
after it may still fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from meso_services.genome.models import Operon
from meso_services.genome.requires import closure

Kind = Literal["word", "pattern", "file", "tool", "task", "time", "similar", "required"]
_WEAK = frozenset({"time", "similar"})


@dataclass(frozen=True)
class Reason:
    """One trigger that matched: as declared, what it found, and the offset in characters.

    `offset` is None for what is not in the text.
    """

    kind: Kind
    trigger: str
    found: str
    offset: int | None


@dataclass(frozen=True)
class Choice:
    """An operon that is called, why, and (when it is left out) what was short."""

    operon: Operon
    reasons: tuple[Reason, ...]
    note: str = ""


@dataclass(frozen=True)
class Match:
    """What loads, what matched but did not fit, and the tokens of what loads."""

    loaded: tuple[Choice, ...]
    left_out: tuple[Choice, ...]
    tokens: int


def select(choices: Sequence[Choice], known: Mapping[str, Operon], budget: int) -> Match:
    """Take what fits into `budget` (in tokens)."""
    called = {choice.operon.head.name: choice for choice in choices}
    loaded: dict[str, Choice] = {}
    left_out: list[Choice] = []
    tokens = 0
    for choice in sorted(choices, key=lambda c: _rank(c, known)):
        new = [n for n in closure(choice.operon.head.name, known) if n not in loaded]
        needs = sum(known[name].tokens for name in new)
        if tokens + needs > budget:
            note = f"needs {needs} tokens{_with(new)}, {budget - tokens} are left"
            left_out.append(replace(choice, note=note))
            continue
        tokens += needs
        for name in new:
            loaded[name] = called.get(name) or _required(known[name], choice)
    # One that did not fit by itself may have come in as another's requirement.
    outside = tuple(c for c in left_out if c.operon.head.name not in loaded)
    return Match(tuple(loaded.values()), outside, tokens)


def _rank(choice: Choice, known: Mapping[str, Operon]) -> tuple[bool, int, int, str]:
    weak = all(reason.kind in _WEAK for reason in choice.reasons)
    size = sum(known[name].tokens for name in closure(choice.operon.head.name, known))
    return weak, -len(choice.reasons), size, choice.operon.head.name


def _required(operon: Operon, by: Choice) -> Choice:
    return Choice(operon, (Reason("required", by.operon.head.name, "", None),))


def _with(new: Sequence[str]) -> str:
    return f" (with {', '.join(new[:-1])})" if len(new) > 1 else ""
