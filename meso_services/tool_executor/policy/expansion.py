"""Reads one word of a command line: quotes, escapes, expansions and substitutions."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from meso_services.tool_executor.policy.words import TooMuch, Unknown, Word

_ENDS = frozenset(" \t\n;&|<>()")
_PREFIX = re.compile(r"([0-9]+|\{[A-Za-z_][A-Za-z0-9_]*\})(?=[<>])")
_HARMLESS_ARITHMETIC = re.compile(r"[0-9A-Za-z_\s+\-*/%<>=!&|^~?:,()$#]*")
_HIDDEN = re.compile(r"\$\(|`|\$\{|[<>]\(")
_SPECIAL = "@*#?-$!0123456789"
# More than anybody writes; a longer line would keep the service from other work.
MAX_WORDS = 10_000


class Reader(ABC):
    """A position in a text, and what stands there. Subclasses follow the commands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.arithmetic = False
        self.hides_substitution = False
        self._literal: list[str] = []
        self._prefix: str | None = None
        self._splits = False
        self._words = 0

    @abstractmethod
    def nested(self, text: str) -> None:
        """Commands in a substitution of which the text is known."""

    @abstractmethod
    def substitution(self) -> None:
        """Commands up to the closing parenthesis."""

    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def is_redirect_prefix(self) -> bool:
        """Skip the number or the variable in front of a redirection."""
        found = _PREFIX.match(self.text, self.position)
        if found is None:
            return False
        self.position = found.end()
        return True

    def word(self) -> Word:
        """The word that begins here. Raises TooMuch."""
        self._words += 1
        if self._words > MAX_WORDS:
            raise TooMuch(f"it has more than {MAX_WORDS} words")
        saved = self._literal, self._prefix, self._splits
        self._literal, self._prefix, self._splits = [], None, False
        start = self.position
        bare: list[str] = []
        while not self.at_end():
            here = self.peek()
            if here in _ENDS and not self.text.startswith(("<(", ">("), self.position):
                break
            self._part(here, bare)
        shown = self.text[start : self.position]
        if self.position == start:
            raise Unknown(f"{self.peek()!r} stands where a word should")
        self._mark_bare("".join(bare))
        text = "".join(self._literal)
        prefix, splits = self._prefix, self._splits
        self._literal, self._prefix, self._splits = saved
        if prefix is not None:
            return Word(None, prefix, shown, splits)
        self._note(text)
        return Word(text, text, shown)

    def _mark_bare(self, bare: str) -> None:
        """Braces and sets of characters, which only count where they are closed."""
        if _expands(bare):
            self._varies(splits=True)
        if "]" in bare.partition("[")[2]:
            self._varies(splits=False)
            self._prefix = (self._prefix or "").partition("[")[0]

    def _note(self, text: str) -> None:
        """Text that would be commands if something evaluated it."""
        if _HIDDEN.search(text):
            self.hides_substitution = True

    def _part(self, here: str, bare: list[str]) -> None:
        match here:
            case "\\":
                self._escape()
            case "'":
                self._single()
            case '"':
                self.position += 1
                self._double()
            case "$":
                self._dollar(quoted=False)
            case "`":
                self._backticks()
                self._varies(splits=True)
            case "<" | ">":
                self.position += 2
                self.substitution()
                self._varies(splits=False)
            case _:
                if here in "*?" or (here == "~" and not self._literal):
                    self._varies(splits=False)
                bare.append(here)
                self._literal.append(here)
                self.position += 1

    def _varies(self, *, splits: bool) -> None:
        if self._prefix is None:
            self._prefix = "".join(self._literal)
        self._splits = self._splits or splits

    def _escape(self) -> None:
        following = self.text[self.position + 1 : self.position + 2]
        if not following:
            raise Unknown("a backslash at the end")
        if following != "\n":
            self._literal.append(following)
        self.position += 2

    def _single(self) -> None:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise Unknown("a quote without an end")
        self._literal.append(self.text[self.position + 1 : end])
        self._note(self._literal[-1])
        self.position = end + 1

    def _double(self, end: str = '"') -> None:
        """Text in double quotes, up to and with `end`; a here document has none."""
        while True:
            here = self.peek()
            if here == end:
                self.position += 1
                return
            match here:
                case "":
                    raise Unknown("a quote without an end")
                case "\\":
                    following = self.text[self.position + 1 : self.position + 2]
                    if following in '$`"\\':
                        self._literal.append(following)
                        self._note_escaped(following)
                    elif following != "\n":
                        self._literal.append("\\" + following)
                    self.position += 2
                case "$":
                    self._dollar(quoted=True)
                case "`":
                    self._backticks()
                    self._varies(splits=False)
                case _:
                    self._literal.append(here)
                    self.position += 1

    def _note_escaped(self, character: str) -> None:
        if character in "$`":
            self.hides_substitution = True

    def _dollar(self, *, quoted: bool) -> None:
        rest = self.text[self.position + 1 : self.position + 3]
        match rest[:1]:
            case "(":
                self.position += 2
                self._arithmetic() if rest == "((" else self.substitution()
            case "{":
                self.position += 2
                self._braced()
            case "'" if not quoted:
                self._ansi()
            case '"' if not quoted:
                self.position += 2
                self._double()
                return
            case "[":
                raise Unknown("$[ ] is not followed")
            case first if first and (first in _SPECIAL):
                self.position += 2
            case first if first and (first.isalpha() or first == "_") and first.isascii():
                found = re.compile(r"[A-Za-z0-9_]+").match(self.text, self.position + 1)
                self.position = found.end() if found else self.position + 2
            case _:
                self._literal.append("$")
                self.position += 1
                return
        # "$@" is several words even in quotes.
        self._varies(splits=not quoted or rest[:1] == "@" or rest == "{@" or "[@" in rest)

    def _ansi(self) -> None:
        """$'…': its escapes are not decoded, so the word is not known."""
        self.position += 2
        while (here := self.peek()) != "'":
            if not here:
                raise Unknown("a quote without an end")
            self.position += 2 if here == "\\" else 1
        self.position += 1
        self.hides_substitution = True

    def _backticks(self) -> None:
        self.position += 1
        inner = []
        while (here := self.peek()) != "`":
            if not here:
                raise Unknown("a ` without an end")
            if here == "\\" and self.text[self.position + 1 : self.position + 2] in (
                "`",
                "\\",
                "$",
            ):
                self.position += 1
                here = self.peek()
            inner.append(here)
            self.position += 1
        self.position += 1
        self.nested("".join(inner))

    def _arithmetic(self) -> None:
        """$(( … )): harmless unless a variable in it holds a subscript with a command."""
        start = self.position + 1
        depth, self.position = 2, start
        while depth:
            here = self.peek()
            if not here:
                raise Unknown("$(( without an end")
            depth += {"(": 1, ")": -1}.get(here, 0)
            self.position += 1
        inner = self.text[start : self.position - 2]
        if self.text[self.position - 2 : self.position] != "))" or not (
            _HARMLESS_ARITHMETIC.fullmatch(inner) and "$(" not in inner
        ):
            raise Unknown("an arithmetic expression that is not followed")
        self.arithmetic = self.arithmetic or re.search(r"[A-Za-z_]", inner) is not None

    def _braced(self) -> None:
        """${…}: with whatever expansions stand in it."""
        start = self.position
        while self.peek() != "}":
            self._in_braces(self.peek())
        inner = self.text[start : self.position]
        self.position += 1
        if re.search(r"@[A-Za-z]$", inner):
            raise Unknown("${…@…} is not followed")
        if re.search(r"\[|:", inner):
            self.arithmetic = True
        if inner.startswith(("!", " ", "|", "\n", "\t")):
            # Another variable by its name, or bash 5.3's command in braces.
            raise Unknown("${!…} and ${ …} are not followed")

    def _in_braces(self, here: str) -> None:
        match here:
            case "":
                raise Unknown("${ without an end")
            case "\\":
                self.position += 2
            case "'":
                # In double quotes it is no quote; nobody should depend on which it is.
                raise Unknown("a quote in ${ }")
            case '"':
                self.position += 1
                self._double()
            case "$":
                self._dollar(quoted=True)
            case "`":
                self._backticks()
            case "<" | ">" if self.text.startswith(("<(", ">("), self.position):
                self.position += 2
                self.substitution()
            case _:
                self.position += 1

    def expansions_of(self, text: str) -> None:
        """Follow the substitutions in a here document's body."""
        saved = self.text, self.position, self._literal, self._prefix, self._splits
        self.text, self.position = text, 0
        self._literal, self._prefix, self._splits = [], None, False
        try:
            self._double(end="")
        finally:
            self.text, self.position, self._literal, self._prefix, self._splits = saved


def _expands(bare: str) -> bool:
    """Whether braces make several words of it: `{a,b}`, `{1..3}`, or more than is looked at."""
    inner, closed, _ = bare.partition("{")[2].partition("}")
    return bare.count("{") > 1 or "," in inner or (bool(closed) and ".." in inner)
