"""Text that others wrote, made fit for a terminal."""

from __future__ import annotations

import unicodedata

# Control characters, and those that reorder or hide what is beside them.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
MOST = 2000


def safe(text: str, most: int = MOST) -> str:
    """`text` on one line, with everything that a terminal would obey written as an escape."""
    shown = "".join(_one(character) for character in text[:most])
    return shown if len(text) <= most else f"{shown}… ({len(text)} characters)"


def _one(character: str) -> str:
    if character == "\n":
        return "\\n"
    if unicodedata.category(character) in _HIDDEN:
        return character.encode("unicode_escape").decode("ascii")
    return character
