"""Reads a bash command line into its simple commands.

It follows what decides: quoting, operators, substitutions, redirections, here documents,
functions and compound commands. It keeps no structure: every command that might run is listed.
What it does not follow raises Unknown, and then the policy takes the stricter answer. It must
never see fewer commands than bash runs; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from meso_services.tool_executor.policy.expansion import Reader
from meso_services.tool_executor.policy.words import (
    Redirect,
    Script,
    Simple,
    TooMuch,
    Unknown,
    Word,
)

_BLANK = " \t"
# Longer ones first.
_OPERATORS = (
    *(";;&", "&>>", "<<-", "<<<", ";;", ";&", "&&", "||", "|&", "&>", ">>", "<<", ">&", "<&"),
    *("<>", ">|", ";", "&", "|", "(", ")", "<", ">", "\n"),
)
_REDIRECTS = frozenset({"<", ">", ">>", "<<", "<<-", "<<<", "<&", ">&", "<>", ">|", "&>", "&>>"})
# After these a command may begin.
_SKIPPED = frozenset(
    {
        *("if", "then", "elif", "else", "fi", "while", "until", "do", "done"),
        *("{", "}", "!", "time"),
    }
)
_NOT_FOLLOWED = frozenset({"select", "coproc"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[A-Za-z0-9_]*\])?\+?=")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_DEPTH = 40
MAX_COMMANDS = 2_000


def read(text: str, depth: int = 0) -> Script:
    """The commands of `text`. What could not be followed stands in `unknown`. Raises TooMuch."""
    reading = _Reading(text, depth)
    try:
        reading.whole()
    except Unknown as reason:
        reading.unknown.append(str(reason))
    except RecursionError:
        reading.unknown.append("it is nested too deeply")
    return reading.script()


class _Reading(Reader):
    """One pass over one text."""

    def __init__(self, text: str, depth: int) -> None:
        super().__init__(text)
        if depth > MAX_DEPTH:
            raise Unknown("it is nested too deeply")
        self._depth = depth
        self._commands: list[Simple] = []
        self._functions: set[str] = set()
        self._inside: list[str] = []
        self._pending: list[tuple[int, Word, bool]] = []
        self.unknown: list[str] = []

    def script(self) -> Script:
        return Script(
            tuple(self._commands),
            frozenset(self._functions),
            tuple(self.unknown),
            self.arithmetic,
            self.hides_substitution,
        )

    def whole(self) -> None:
        """Everything up to the end."""
        if re.search(r"[\0\x01\x7f]", self.text):
            raise Unknown("it holds control characters")
        self._list(self.at_end)
        if self._pending:
            raise Unknown("a here document has no end")

    # What the expansions call back for.
    def nested(self, text: str) -> None:
        """Commands in a substitution of which the text is known."""
        inner = read(text, self._depth + 1)
        self._commands += inner.commands
        self._functions |= inner.functions
        self.unknown += inner.unknown
        self.arithmetic |= inner.arithmetic
        self.hides_substitution |= inner.hides_substitution

    def substitution(self) -> None:
        """Commands up to the closing parenthesis; the opening one is behind us."""
        pending, self._pending = self._pending, []
        self._list(lambda: self.peek() == ")")
        if self.at_end():
            raise Unknown("a substitution has no end")
        self.position += 1
        self._pending = pending

    def _list(self, ends: Callable[[], bool]) -> None:
        piped = False
        while True:
            self._space()
            if self.at_end() or ends():
                return
            operator = self._operator()
            if operator is None or operator in _REDIRECTS or operator == "(":
                self._command(piped)
                piped = False
                continue
            if operator == ")":
                raise Unknown("a parenthesis is closed that was not open")
            self._take(operator)
            piped = operator in ("|", "|&")

    def _space(self) -> None:
        """Blanks, continued lines and comments."""
        while not self.at_end():
            if self.peek() in _BLANK:
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif self.peek() == "#":
                while not self.at_end() and self.peek() != "\n":
                    self.position += 1
            else:
                return

    def _operator(self) -> str | None:
        # `<(` and `>(` are words.
        if self.text.startswith(("<(", ">("), self.position):
            return None
        return next((o for o in _OPERATORS if self.text.startswith(o, self.position)), None)

    def _take(self, operator: str) -> None:
        self.position += len(operator)
        if operator == "\n":
            self._here_documents()

    def _command(self, piped: bool) -> None:
        if self.peek() == "(":
            if self.text.startswith("((", self.position):
                raise Unknown("(( )) is not followed")
            self.position += 1
            self.substitution()
            return
        word = self._keyword()
        if word is not None:
            self._compound(word)
            return
        self._simple(piped)

    def _keyword(self) -> str | None:
        """A reserved word that begins here, unquoted and whole; it is behind us then."""
        found = re.compile(r"[a-z]+(?=[\s;&|()<>]|$)|[{}!](?=[\s;&|()]|$)|\[\[(?=\s)").match(
            self.text, self.position
        )
        known = _SKIPPED | _NOT_FOLLOWED | {"for", "case", "function", "[[", "esac", "in"}
        if found is None or found[0] not in known:
            return None
        self.position = found.end()
        return found[0]

    def _compound(self, word: str) -> None:
        match word:
            case "for":
                self._for()
            case "case":
                self._case()
            case "function":
                self._space()
                self._function(self._plain_name())
            case "[[":
                self._test()
            case _ if word in _NOT_FOLLOWED:
                raise Unknown(f"`{word}` is not followed")
            case "esac" | "in":
                raise Unknown(f"`{word}` stands where a command should")
            case "{":
                self._inside.append(self._inside[-1] if self._inside else "")
            case "}":
                if self._inside:
                    self._inside.pop()
            case _:
                pass

    def _for(self) -> None:
        self._space()
        if self.text.startswith("((", self.position):
            raise Unknown("for (( )) is not followed")
        self._plain_name()
        self._space()
        if self.text.startswith("in", self.position):
            self.position += 2
            self._words_until({";", "\n"})

    def _words_until(self, ends: set[str]) -> list[Word]:
        words: list[Word] = []
        while True:
            self._space()
            operator = self._operator()
            if self.at_end() or operator in ends:
                return words
            if operator is not None:
                raise Unknown(f"`{operator.strip() or 'a line break'}` stands among words")
            words.append(self.word())

    def _case(self) -> None:
        self._space()
        self.word()
        while not self.text.startswith("in", self.position):
            if self.at_end() or self.peek() not in " \t\n":
                raise Unknown("a `case` without `in`")
            self.position += 1
        self.position += 2
        while True:
            while not self.at_end() and self.peek() in " \t\n":
                self.position += 1
            self._space()
            if re.compile(r"esac(?=[\s;&|)]|$)").match(self.text, self.position):
                self.position += 4
                return
            self._pattern()
            self._list(self._case_ends)
            operator = self._operator()
            if operator in (";;", ";&", ";;&"):
                self.position += len(operator)
            elif self.at_end():
                raise Unknown("a `case` without `esac`")

    def _case_ends(self) -> bool:
        ended = re.compile(r"esac(?=[\s;&|)]|$)").match(self.text, self.position) is not None
        return ended or self._operator() in (";;", ";&", ";;&")

    def _pattern(self) -> None:
        if self.peek() == "(":
            self.position += 1
        while True:
            self._space()
            if self.at_end():
                raise Unknown("a `case` without `esac`")
            if self.peek() == ")":
                self.position += 1
                return
            if self.peek() == "|":
                self.position += 1
                continue
            self.word()

    def _test(self) -> None:
        """`[[ … ]]`: operators in it are no operators of the shell; `-eq` is arithmetic."""
        while True:
            while not self.at_end() and (self.peek() in " \t\n<>()|&" and not self._process()):
                self.position += 1
            if self.at_end():
                raise Unknown("a `[[` without `]]`")
            found = self.word().shown
            if found == "]]":
                return
            if found in ("-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v"):
                self.arithmetic = True

    def _process(self) -> bool:
        return self.text.startswith(("<(", ">("), self.position)

    def _plain_name(self) -> str:
        found = _NAME.match(self.text, self.position)
        if found is None:
            raise Unknown("a name that is none")
        self.position = found.end()
        return found[0]

    def _function(self, name: str) -> None:
        self._functions.add(name)
        self._space()
        if self.text.startswith("()", self.position):
            self.position += 2
        while not self.at_end() and self.peek() in " \t\n":
            self.position += 1
        if self.peek() != "{":
            raise Unknown("a function whose body is no { }")
        self.position += 1
        self._inside.append(name)

    def _simple(self, piped: bool) -> None:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirects: list[Redirect] = []
        while True:
            self._space()
            operator = self._operator()
            if operator in _REDIRECTS and operator is not None:
                redirects.append(self._redirect(operator))
                continue
            if self.at_end() or operator is not None:
                break
            if self.is_redirect_prefix():
                continue
            if not words and (found := _ASSIGNMENT.match(self.text, self.position)):
                assignments.append((found[1], self._value(found.end())))
                continue
            word = self.word()
            if not words and self._is_function(word):
                return
            words.append(word)
        self._add(Simple(tuple(words), tuple(assignments), tuple(redirects), piped=piped))

    def _is_function(self, word: Word) -> bool:
        mark = re.compile(r"[ \t]*\([ \t]*\)").match(self.text, self.position)
        if mark is None:
            return False
        if word.text is None:
            raise Unknown("a function whose name is not known")
        self.position = mark.end()
        self._function(word.text)
        return True

    def _add(self, command: Simple) -> None:
        operator = self._operator()
        piped = command.piped or operator in ("|", "|&", "&")
        function = self._inside[-1] if self._inside else ""
        if len(self._commands) >= MAX_COMMANDS:
            raise TooMuch(f"it has more than {MAX_COMMANDS} commands")
        self._commands.append(
            Simple(command.words, command.assignments, command.redirects, function, piped)
        )

    def _value(self, start: int) -> Word:
        self.position = start
        if self.peek() == "(":
            self.position += 1
            while True:
                while not self.at_end() and self.peek() in " \t\n":
                    self.position += 1
                self._space()
                if self.at_end():
                    raise Unknown("an array without an end")
                if self.peek() == ")":
                    self.position += 1
                    return Word.anything()
                if self.peek() == "\n":
                    continue
                self.word()
        if self.at_end() or self.peek() in " \t\n;&|<>)":
            return Word.literal("")
        return self.word()

    def _redirect(self, operator: str) -> Redirect:
        self.position += len(operator)
        self._space()
        if self.at_end() or (self._operator() is not None):
            raise Unknown("a redirection without a target")
        start = self.position
        target = self.word()
        if operator in ("<<", "<<-"):
            quoted = any(c in self.text[start : self.position] for c in "'\"\\")
            self._pending.append((len(operator) - 2, target, quoted))
            body = self._peek_body(target, operator == "<<-") if quoted else None
            return Redirect(operator, target, body)
        return Redirect(operator, target, target.text if operator == "<<<" else None)

    def _peek_body(self, target: Word, tabs: bool) -> str | None:
        """The body of a here document that begins at the next line, without moving on."""
        if len(self._pending) != 1:
            return None
        start = self.text.find("\n", self.position) + 1
        lines: list[str] = []
        while start:
            line, start = self._line(start)
            line = line.lstrip("\t") if tabs else line
            if line == target.text:
                return "\n".join(lines)
            lines.append(line)
        return None

    def _line(self, start: int) -> tuple[str, int]:
        """The line that begins there, and where the next one does; 0 if there is none."""
        end = self.text.find("\n", start)
        return (self.text[start:], 0) if end < 0 else (self.text[start:end], end + 1)

    def _here_documents(self) -> None:
        pending, self._pending = self._pending, []
        for tabs, target, quoted in pending:
            if target.text is None:
                raise Unknown("a here document whose end is not known")
            self._skip_body(target.text, bool(tabs), quoted)

    def _skip_body(self, end: str, tabs: bool, quoted: bool) -> None:
        start = self.position
        while self.position < len(self.text):
            line, following = self._line(self.position)
            body_end = self.position
            self.position = following or len(self.text)
            if (line.lstrip("\t") if tabs else line) == end:
                if not quoted:
                    self.expansions_of(self.text[start:body_end])
                return
        raise Unknown("a here document has no end")
