"""Trigger words and phrases: whole words, in order, without regard to case.

`delegat*` matches any word that begins so. A phrase's words must follow each
other with nothing but spaces or hyphens between them. One pass over the text
serves all operons: each word is looked up once, not once per trigger.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_WORDS = 8

_LETTERS = r"[\w\u0300-\u036f]+"  # with combining accents, as some keyboards send them
_WORD = re.compile(_LETTERS)
_GAP = re.compile(r"[\s\-\u2010\u2011/]*")
_TRIGGER = re.compile(rf"{_LETTERS}\*?(?:[\s\-]+{_LETTERS}\*?)*")


class WordError(ValueError):
    """A trigger word that is not accepted."""


@dataclass(frozen=True)
class WordHit:
    """Where a trigger was first found: the text's own words and their offset."""

    found: str
    offset: int


@dataclass(frozen=True)
class _Token:
    folded: str
    start: int
    end: int


def parse_word(trigger: str) -> tuple[str, ...]:
    """Split a trigger into folded words. Raises WordError for one that could never match well."""
    if not _TRIGGER.fullmatch(trigger.strip()):
        raise WordError("a trigger is words with single spaces or hyphens; `*` only ends a word")
    words = tuple(_fold(word) for word in re.split(r"[\s\-]+", trigger.strip()))
    if len(words) > MAX_WORDS:
        raise WordError(f"a phrase has at most {MAX_WORDS} words")
    if any(len(word.rstrip("*")) < 2 for word in words):
        raise WordError("each word needs at least two letters")
    return words


class WordIndex:
    """All triggers by their first word."""

    def __init__(self, triggers: Sequence[str]) -> None:
        self._exact: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
        self._prefix: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
        for number, trigger in enumerate(triggers):
            words = parse_word(trigger)
            table = self._prefix if words[0].endswith("*") else self._exact
            table[words[0].rstrip("*")].append((number, words))
        self._lengths = sorted({len(prefix) for prefix in self._prefix})

    def search(self, text: str) -> Mapping[int, WordHit]:
        """Trigger number → its first place in the text."""
        tokens = [_Token(_fold(m.group()), m.start(), m.end()) for m in _WORD.finditer(text)]
        hits: dict[int, WordHit] = {}
        for index, token in enumerate(tokens):
            for number, words in self._candidates(token.folded):
                if number not in hits and _follows(text, tokens, index, words):
                    end = tokens[index + len(words) - 1].end
                    hits[number] = WordHit(text[token.start : end], token.start)
        return hits

    def _candidates(self, word: str) -> list[tuple[int, tuple[str, ...]]]:
        found = list(self._exact.get(word, ()))
        for length in self._lengths:
            if length > len(word):
                break
            found += self._prefix.get(word[:length], ())
        return found


def _follows(text: str, tokens: list[_Token], index: int, words: tuple[str, ...]) -> bool:
    if index + len(words) > len(tokens):
        return False
    for step in range(1, len(words)):
        token, previous = tokens[index + step], tokens[index + step - 1]
        if not _fits(token.folded, words[step]):
            return False
        if not _GAP.fullmatch(text, previous.end, token.start):
            return False
    return True


def _fits(word: str, trigger: str) -> bool:
    return word.startswith(trigger[:-1]) if trigger.endswith("*") else word == trigger


def _fold(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()
