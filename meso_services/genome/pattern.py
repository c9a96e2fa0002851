"""Trigger patterns: a subset of regular expressions that can be matched in linear time.

Known: literals, `.`, classes `[a-z]` and `[^…]`, `\\d \\D \\w \\W \\s \\S`, `\\b \\B`,
groups `(…)` and `(?:…)`, `|`, `? * + {m} {m,} {m,n}`, `^` and `$` (ends of the whole
text). Case never counts. Back references and look-around are refused: no
automaton matches them, so their running time has no useful bound.

A pattern is compiled to instructions of a nondeterministic automaton; `automaton`
runs those of all patterns together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_REPEAT = 256
MAX_INSTRUCTIONS = 2000
MAX_GROUPS_DEPTH = 20

Test = Callable[[str], bool]


class PatternError(ValueError):
    """A pattern that is not accepted. The message gives the position and the reason."""


@dataclass(frozen=True)
class Char:
    """Consume one character that passes the test.

    `literal` is the one character that passes, casefolded; None for a class.
    """

    test: Test
    literal: str | None = None


@dataclass(frozen=True)
class Split:
    """Continue at each of the given instructions, relative to this one."""

    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Assert:
    """Continue if the place fits: `b`, `B`, `^` or `$`."""

    kind: str


Instruction = Char | Split | Assert
Program = tuple[Instruction, ...]


def compile_pattern(pattern: str) -> Program:
    """Compile one pattern. Falling off the end of the program is a match.

    Raises PatternError for syntax outside the subset, for a pattern that grows
    too large, and for one that matches the empty text (it would always load).
    """
    parser = _Parser(pattern)
    program = parser.alternation(0)
    if parser.position < len(pattern):
        raise parser.error("unbalanced `)`")
    if _can_be_empty(program):
        raise PatternError("matches the empty text, so it would match everything")
    return program


def _can_be_empty(program: Program) -> bool:
    todo, seen = [0], set[int]()
    while todo:
        at = todo.pop()
        if at == len(program):
            return True
        if at in seen:
            continue
        seen.add(at)
        match program[at]:
            case Split(offsets):
                todo += [at + offset for offset in offsets]
            case Assert():
                todo.append(at + 1)
            case Char():
                pass
    return False


def is_word(character: str) -> bool:
    """Whether a character counts as part of a word, as `\\w` does."""
    return character.isalnum() or character == "_"


_CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "D": lambda c: not c.isdecimal(),
    "w": is_word,
    "W": lambda c: not is_word(c),
    "s": str.isspace,
    "S": lambda c: not c.isspace(),
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _literal(character: str) -> Test:
    folded = character.casefold()
    return lambda c: c.casefold() == folded


def _one(character: str) -> Char:
    return Char(_literal(character), character.casefold())


def _between(low: str, high: str) -> Test:
    return lambda c: low <= c <= high or low <= c.lower() <= high or low <= c.upper() <= high


def _any_of(tests: list[Test], negated: bool) -> Test:
    return lambda c: any(test(c) for test in tests) != negated


class _Parser:
    """Recursive descent over one pattern; each method returns a program fragment."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.position = pattern, 0

    def error(self, problem: str) -> PatternError:
        return PatternError(f"{problem}, at character {self.position + 1}")

    def peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise self.error("the pattern ends too early")
        self.position += 1
        return character

    def alternation(self, depth: int) -> Program:
        if depth > MAX_GROUPS_DEPTH:
            raise self.error(f"groups are nested deeper than {MAX_GROUPS_DEPTH}")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return self.checked(_alternate(branches))

    def sequence(self, depth: int) -> Program:
        program: Program = ()
        while self.peek() not in ("", "|", ")"):
            program = self.checked(program + self.repeated(depth))
        return program

    def repeated(self, depth: int) -> Program:
        atom = self.atom(depth)
        bounds = self.bounds()
        if bounds is None:
            return atom
        if self.peek() in ("?", "*", "+", "{") and self.peek():
            raise self.error("a repetition of a repetition is not accepted; use a group")
        low, high = bounds
        size = (high if high is not None else low + 1) * (len(atom) + 1)
        if size > MAX_INSTRUCTIONS:
            raise self.error("the repetition makes the pattern too large")
        return _repeat(atom, low, high)

    def bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
        if self.peek() in simple:
            return simple[self.take()]
        if self.peek() != "{":
            return None
        self.take()
        low = self.number()
        high: int | None = low
        if self.peek() == ",":
            self.take()
            high = None if self.peek() == "}" else self.number()
        if self.take() != "}" or (high is not None and high < low):
            raise self.error("a repetition is written {m}, {m,} or {m,n} with m ≤ n")
        return low, high

    def number(self) -> int:
        start = self.position
        while self.peek() and self.peek() in "0123456789":
            self.position += 1
        digits = self.pattern[start : self.position]
        if not digits or len(digits) > 4 or int(digits) > MAX_REPEAT:
            raise self.error(f"a repetition counts from 0 to {MAX_REPEAT}")
        return int(digits)

    def atom(self, depth: int) -> Program:
        character = self.take()
        match character:
            case "(":
                return self.group(depth)
            case "[":
                return (Char(self.char_class()),)
            case ".":
                return (Char(lambda c: c != "\n"),)
            case "^" | "$":
                return (Assert(character),)
            case "\\":
                return self.escape()
            case "?" | "*" | "+" | "{":
                raise self.error("there is nothing to repeat")
            case _:
                return (_one(character),)

    def group(self, depth: int) -> Program:
        if self.peek() == "?":
            self.take()
            if self.take() != ":":
                raise self.error("only groups (…) and (?:…) are accepted, no look-around or flags")
        inner = self.alternation(depth + 1)
        if self.peek() != ")":
            raise self.error("a group is not closed")
        self.take()
        return inner

    def escape(self) -> Program:
        character = self.take()
        if character in ("b", "B"):
            return (Assert(character),)
        if character in _CLASSES:
            return (Char(_CLASSES[character]),)
        return (_one(self.escaped_literal(character)),)

    def escaped_literal(self, character: str) -> str:
        if character.isalnum() and character not in _ESCAPES:
            raise self.error(f"`\\{character}` is not accepted")
        return _ESCAPES.get(character, character)

    def char_class(self) -> Test:
        negated = self.peek() == "^"
        if negated:
            self.take()
        tests: list[Test] = []
        while self.peek() != "]" or not tests:
            tests.append(self.class_item())
        self.take()
        return _any_of(tests, negated)

    def class_item(self) -> Test:
        low = self.take()
        if low == "\\":
            escaped = self.take()
            if escaped in _CLASSES:
                return _CLASSES[escaped]
            low = self.escaped_literal(escaped)
        if self.peek() != "-" or self.pattern[self.position + 1 : self.position + 2] in ("", "]"):
            return _literal(low)
        self.take()
        high = self.take()
        if high == "\\":
            high = self.escaped_literal(self.take())
        if high < low:
            raise self.error(f"the range {low}-{high} runs backwards")
        return _between(low, high)

    def checked(self, program: Program) -> Program:
        if len(program) > MAX_INSTRUCTIONS:
            raise self.error("the pattern is too large")
        return program


def _alternate(branches: list[Program]) -> Program:
    """Try each branch: a split to their beginnings, a jump behind the last from each end."""
    if len(branches) == 1:
        return branches[0]
    total = 1 + sum(len(branch) + 1 for branch in branches)
    starts: list[int] = []
    body: list[Instruction] = []
    for branch in branches:
        starts.append(1 + len(body))
        body += branch
        body.append(Split((total - 1 - len(body),)))
    return (Split(tuple(starts)), *body)


def _repeat(atom: Program, low: int, high: int | None) -> Program:
    """`low` copies, then a loop or up to `high - low` optional copies."""
    required = atom * low
    if high is None:
        return (*required, Split((1, len(atom) + 2)), *atom, Split((-len(atom) - 1,)))
    optional: Program = ()
    for _ in range(high - low):
        optional = (Split((1, len(atom) + len(optional) + 1)), *atom, *optional)
    return required + optional
