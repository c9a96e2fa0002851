"""A query's words. They are the same for every engine; operators have no meaning here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_WORDS = 32
_WORD = re.compile(r"[\w\u0300-\u036f]+")


def words_of(query: str) -> tuple[str, ...]:
    """The words to search for, each once, at most MAX_WORDS."""
    found = _WORD.findall(unicodedata.normalize("NFC", query))
    return tuple(dict.fromkeys(word.casefold() for word in found))[:MAX_WORDS]


def snippet(text: str, words: Sequence[str], most: int = 32) -> str:
    """The `most` words of a text where most of a query's are, these in **bold**.

    A word counts where it begins one of the text, without its accents: nearly what an engine
    understands, which also knows that `running` is `run`.
    """
    stems = tuple(filter(None, {_plain(word)[: max(4, len(word) - 3)] for word in words}))
    found = list(re.finditer(r"\S+", text))
    if not found:
        return ""
    hit = [bool(stems) and _has(match.group(), stems) for match in found]
    best = max(range(max(1, len(found) - most + 1)), key=lambda n: (sum(hit[n : n + most]), -n))
    shown = [
        f"**{match.group()}**" if is_hit else match.group()
        for match, is_hit in zip(found[best : best + most], hit[best : best + most], strict=True)
    ]
    before, after = "…" if best else "", "…" if best + most < len(found) else ""
    return before + " ".join(shown) + after


def _has(token: str, stems: tuple[str, ...]) -> bool:
    return any(_plain(part).startswith(stems) for part in _WORD.findall(token))


def _plain(word: str) -> str:
    apart = unicodedata.normalize("NFD", word.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
