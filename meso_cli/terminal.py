"""Text that agents wrote, shown on a terminal: nothing in it is obeyed."""

from __future__ import annotations

import unicodedata

# Control characters, and those that reorder or hide what is beside them.
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# They join or part letters and pictures, and do nothing else.
_HARMLESS = "\u200c\u200d"


def printable(text: str) -> str:
    """`text` on one line."""
    return "".join("\\n" if c == "\n" else _shown(c) for c in text)


def lines(text: str) -> str:
    """`text` with its line breaks and tabs, and nothing else that a terminal obeys."""
    return "".join(c if c in "\n\t" else _shown(c) for c in text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    if unicodedata.category(character) in _OBEYED and character not in _HARMLESS:
        return character.encode("unicode_escape").decode("ascii")
    return character
