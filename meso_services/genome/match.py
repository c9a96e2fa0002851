"""Which operons a text loads, why, and what gives way when the budget is short.

The same text and operons always give the same answer. Operons whose triggers
match are taken in this order until the budget is used up: more distinct
triggers first, then the smaller text, then the name. One that does not fit is
left out and said so; a smaller one after it may still fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from meso_services.genome.automaton import Automaton
from meso_services.genome.models import Operon
from meso_services.genome.pattern import compile_pattern
from meso_services.genome.words import WordIndex


@dataclass(frozen=True)
class Reason:
    """One trigger that matched: as declared, the text it found, and the offset in characters."""

    kind: Literal["word", "pattern"]
    trigger: str
    found: str
    offset: int


@dataclass(frozen=True)
class Choice:
    """An operon whose triggers matched, and why."""

    operon: Operon
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Match:
    """What loads, what matched but did not fit, and the tokens of what loads."""

    loaded: tuple[Choice, ...]
    left_out: tuple[Choice, ...]
    tokens: int


class Matcher:
    """All operons' triggers, compiled once."""

    def __init__(self, operons: Sequence[Operon]) -> None:
        self._operons = tuple(operons)
        self._words = [(o, word) for o in operons for word in o.head.triggers.words]
        self._patterns = [(o, text) for o in operons for text in o.head.triggers.patterns]
        self._index = WordIndex([word for _, word in self._words])
        self._automaton = Automaton([compile_pattern(text) for _, text in self._patterns])

    def match(self, text: str, budget: int) -> Match:
        """Match a text. `budget` is in tokens, for all loaded operons together."""
        loaded: list[Choice] = []
        left_out: list[Choice] = []
        tokens = 0
        for choice in self._choices(text):
            if tokens + choice.operon.tokens <= budget:
                loaded.append(choice)
                tokens += choice.operon.tokens
            else:
                left_out.append(choice)
        return Match(tuple(loaded), tuple(left_out), tokens)

    def _choices(self, text: str) -> list[Choice]:
        reasons: dict[str, list[Reason]] = defaultdict(list)
        for number, hit in self._index.search(text).items():
            operon, word = self._words[number]
            reasons[operon.head.name].append(Reason("word", word, hit.found, hit.offset))
        for number, end in self._automaton.search(text).items():
            operon, pattern = self._patterns[number]
            found = self._automaton.found(text, number, end)
            reason = Reason("pattern", pattern, found, end - len(found))
            reasons[operon.head.name].append(reason)
        choices = [
            Choice(operon, tuple(sorted(reasons[operon.head.name], key=_place)))
            for operon in self._operons
            if operon.head.name in reasons
        ]
        return sorted(choices, key=_rank)


def _place(reason: Reason) -> tuple[int, str, str]:
    return reason.offset, reason.kind, reason.trigger


def _rank(choice: Choice) -> tuple[int, int, str]:
    return -len(choice.reasons), choice.operon.tokens, choice.operon.head.name


def failed_tests(operon: Operon, matcher: Matcher) -> list[str]:
    """Run an operon's own tests against all operons' triggers. Empty when all pass."""
    failures = []
    for text, wanted in _cases(operon):
        names = {choice.operon.head.name for choice in matcher.match(text, budget=1 << 30).loaded}
        if (operon.head.name in names) != wanted:
            verb = "must load" if wanted else "must not load"
            failures.append(f"{operon.head.name}: {verb} on {text!r}")
    return failures


def _cases(operon: Operon) -> list[tuple[str, bool]]:
    return [(text, True) for text in operon.tests.loads] + [
        (text, False) for text in operon.tests.does_not_load
    ]
