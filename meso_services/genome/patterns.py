"""Many patterns on one text: only those run whose required letters are in it.

Most patterns hold a run of letters without which they cannot match. Looking for it is
a hundred times faster than running the pattern, so a message meets few of a thousand
patterns, each in an automaton of its own. Where many could match, all run together in
one automaton, and the time stays linear in the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from meso_services.genome.automaton import Automaton
from meso_services.genome.pattern import Char, Program, Split

# Beyond this one pass over all is cheaper than one for each.
MOST_ALONE = 16
STATES_ALONE = 200
LEAST_LETTERS = 2


class Patterns:
    """Compiled patterns. `search` says which match, and where each first ends."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = tuple(programs)
        self._letters = [required_letters(program) for program in programs]
        self._alone: dict[int, Automaton] = {}

    def search(self, text: str) -> Mapping[int, int]:
        """Pattern number → index in `text` at which its first match ends."""
        folded = text.casefold()
        wanted = [n for n, letters in enumerate(self._letters) if letters in folded]
        if len(wanted) > MOST_ALONE:
            return self._together.search(text)
        ends = {}
        for number in wanted:
            for end in self._one(number).search(text).values():
                ends[number] = end
        return ends

    def found(self, text: str, number: int, end: int) -> str:
        """The shortest piece of text that ends at `end` and matches the pattern."""
        return self._one(number).found(text, 0, end)

    @cached_property
    def _together(self) -> Automaton:
        return Automaton(self._programs)

    def _one(self, number: int) -> Automaton:
        if number not in self._alone:
            if len(self._alone) >= 50 * MOST_ALONE:
                self._alone.clear()
            self._alone[number] = Automaton([self._programs[number]], STATES_ALONE)
        return self._alone[number]


def required_letters(program: Program) -> str:
    """The longest run of letters, casefolded, that every match holds; empty when there is none.

    Only what stands outside of every choice and loop counts, so nothing that could match is
    passed over.
    """
    optional = _optional(program)
    best = run = ""
    for at, instruction in enumerate(program):
        literal = instruction.literal if isinstance(instruction, Char) else None
        if at in optional or literal is None:
            # Assertions consume nothing, so they do not interrupt a run.
            if at in optional or isinstance(instruction, Char | Split):
                run = ""
            continue
        run += literal
        best = max(best, run, key=len)
    return best if len(best) >= LEAST_LETTERS else ""


def _optional(program: Program) -> frozenset[int]:
    """Instructions that some way through the program leaves out or runs again."""
    skipped: set[int] = set()
    for at, instruction in enumerate(program):
        if isinstance(instruction, Split):
            for offset in instruction.offsets:
                low, high = sorted((at, at + offset))
                skipped |= set(range(low, high))
    return frozenset(skipped)
