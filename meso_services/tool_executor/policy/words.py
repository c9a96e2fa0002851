"""Words of a shell's command line, and how much of each is known before it runs."""

from __future__ import annotations

from dataclasses import dataclass


class Unknown(Exception):  # noqa: N818 - an answer, not a fault
    """The text can't be followed. The message says what it was; the policy decides stricter."""


class TooMuch(Exception):  # noqa: N818 - an answer, not a fault
    """The text holds more than is looked at. It is refused: the rest could be anything."""


@dataclass(frozen=True)
class Word:
    """`text` is the word after quotes are gone, or None if only the run will tell.

    `prefix` is its literal beginning. `splits` says that it may become several words (or none).
    `shown` is how it stands in the source.
    """

    text: str | None
    prefix: str
    shown: str
    splits: bool = False

    @classmethod
    def literal(cls, text: str) -> Word:
        return cls(text, text, text)

    @classmethod
    def anything(cls) -> Word:
        """What nobody knows: any number of any words."""
        return cls(None, "", "?", splits=True)

    @property
    def may_be_option(self) -> bool:
        """Whether the program may take it for an option."""
        if self.text is not None:
            return self.text.startswith("-") and self.text != "-"
        return self.splits or self.prefix == "" or self.prefix.startswith("-")


@dataclass(frozen=True)
class Redirect:
    """`op` as written (`>`, `>>`, `<`, …). `body` is a here document's text, None if it varies."""

    op: str
    target: Word
    body: str | None = None


@dataclass(frozen=True)
class Simple:
    """A simple command: one program or builtin, with all that stands around it."""

    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    function: str = ""
    piped: bool = False


@dataclass(frozen=True)
class Script:
    """All simple commands of a text, also those in substitutions and functions."""

    commands: tuple[Simple, ...]
    functions: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    arithmetic: bool = False
    hides_substitution: bool = False
