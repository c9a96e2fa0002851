"""All patterns in one automaton, matched together in one pass over the text.

The patterns' instructions form one nondeterministic automaton. It is made
deterministic as the text asks for it: a state is the set of places in the
programs, and each transition is computed once. One look-up a character is then
all that a text costs, however many patterns there are. The memory of states is
bounded; when it is full it is dropped, and matching stays linear.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from meso_services.genome.pattern import Assert, Char, Program, Split, Test, is_word

MAX_STATES = 5000
_END = ""
_FOUND_WINDOW = 160

# The kind of neighbour a place has: none (an end of the text), a word's character, another.
_NONE, _WORD, _OTHER = "none", "word", "other"


def _kind(character: str) -> str:
    if character == _END:
        return _NONE
    return _WORD if is_word(character) else _OTHER


def _holds(assertion: str, before: str, after: str) -> bool:
    match assertion:
        case "^":
            return before == _NONE
        case "$":
            return after == _NONE
        case "b":
            return (before == _WORD) != (after == _WORD)
        case _:
            return (before == _WORD) == (after == _WORD)


@dataclass(frozen=True)
class _Step:
    """What one character does: patterns that matched before it, places after it."""

    matched: frozenset[int]
    places: frozenset[int]


@dataclass(frozen=True)
class _Beginnings:
    """What may come first in any pattern, in one surrounding: places behind it, by character.

    Most patterns begin with a letter, so a character is looked up instead of being held
    against every pattern.
    """

    matched: frozenset[int]
    literal: Mapping[str, frozenset[int]]
    others: tuple[tuple[Test, int], ...]


@dataclass
class _State:
    places: frozenset[int]
    before: str
    next: dict[str, tuple[frozenset[int], _State]] = field(default_factory=dict)


class Automaton:
    """Patterns compiled together. `search` says which match, and where each first ends."""

    def __init__(self, programs: Sequence[Program], most_states: int | None = None) -> None:
        self._most_states = most_states
        self._code: list[Char | Split | Assert | int] = []
        self._starts: list[int] = []
        for number, program in enumerate(programs):
            self._starts.append(len(self._code))
            self._code += [*program, number]
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._fresh: dict[tuple[str, str], _Step] = {}
        self._beginnings: dict[tuple[str, str], _Beginnings] = {}

    def search(self, text: str) -> Mapping[int, int]:
        """Pattern number → index in `text` at which its first match ends."""
        ends: dict[int, int] = {}
        state = self._state(frozenset(), _NONE)
        for index, character in enumerate(text):
            step = state.next.get(character) or self._advance(state, character)
            if step[0]:
                _record(ends, step[0], index)
            state = step[1]
        end = state.next.get(_END) or self._advance(state, _END)
        _record(ends, end[0], len(text))
        return ends

    def found(self, text: str, pattern: int, end: int) -> str:
        """The shortest piece of text that ends at `end` and matches the pattern."""
        earliest = max(0, end - _FOUND_WINDOW)
        for start in range(end - 1, earliest - 1, -1):
            if self._ends_at(text, pattern, start, end):
                return text[start:end]
        return text[earliest:end]

    def _ends_at(self, text: str, pattern: int, start: int, end: int) -> bool:
        places = frozenset([self._starts[pattern]])
        for index in range(start, end + 1):
            before = _kind(text[index - 1] if index else _END)
            character = text[index] if index < len(text) else _END
            step = self._move(places, before, character)
            if index == end:
                return pattern in step.matched
            if not step.places:
                return False
            places = step.places
        return False

    def _state(self, places: frozenset[int], before: str) -> _State:
        key = (places, before)
        if key not in self._states:
            if len(self._states) >= (self._most_states or MAX_STATES):
                self._forget()
            self._states[key] = _State(places, before)
        return self._states[key]

    def _forget(self) -> None:
        """Drop all states. Their transitions go too, or they would keep each other alive."""
        for state in self._states.values():
            state.next.clear()
        self._states.clear()

    def _advance(self, state: _State, character: str) -> tuple[frozenset[int], _State]:
        going_on = self._move(state.places, state.before, character)
        fresh = self._from_start(state.before, character)
        target = self._state(going_on.places | fresh.places, _kind(character))
        result = (going_on.matched | fresh.matched, target)
        if len(state.next) < MAX_STATES:
            state.next[character] = result
        return result

    def _from_start(self, before: str, character: str) -> _Step:
        """What the patterns' beginnings make of a character; the same at every place."""
        key = (before, character)
        if key not in self._fresh:
            if len(self._fresh) >= MAX_STATES:
                self._fresh.clear()
            self._fresh[key] = self._begin(before, character)
        return self._fresh[key]

    def _begin(self, before: str, character: str) -> _Step:
        around = (before, _kind(character))
        if around not in self._beginnings:
            self._beginnings[around] = self._first(*around)
        first = self._beginnings[around]
        reached = first.literal.get(character.casefold(), frozenset()) if character else frozenset()
        passed = {at for test, at in first.others if character and test(character)}
        return _Step(first.matched, reached | passed)

    def _first(self, before: str, after: str) -> _Beginnings:
        matched, tests = self._tests(self._starts, before, after)
        literal: dict[str, set[int]] = defaultdict(set)
        others = []
        for at, char in tests:
            if char.literal is None:
                others.append((char.test, at + 1))
            else:
                literal[char.literal].add(at + 1)
        found = {character: frozenset(places) for character, places in literal.items()}
        return _Beginnings(matched, found, tuple(others))

    def _move(self, places: Iterable[int], before: str, character: str) -> _Step:
        matched, tests = self._tests(places, before, _kind(character))
        reached = {at + 1 for at, char in tests if character and char.test(character)}
        return _Step(matched, frozenset(reached))

    def _tests(
        self, places: Iterable[int], before: str, after: str
    ) -> tuple[frozenset[int], list[tuple[int, Char]]]:
        """Patterns that end here, and the characters that may come next with their places."""
        matched, tests = set[int](), list[tuple[int, Char]]()
        seen, todo = set[int](), list(places)
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            match self._code[at]:
                case Split(offsets):
                    todo += [at + offset for offset in offsets]
                case Assert(kind):
                    if _holds(kind, before, after):
                        todo.append(at + 1)
                case Char() as char:
                    tests.append((at, char))
                case int(number):
                    matched.add(number)
        return frozenset(matched), tests


def _record(ends: dict[int, int], matched: frozenset[int], index: int) -> None:
    for number in matched:
        ends.setdefault(number, index)
