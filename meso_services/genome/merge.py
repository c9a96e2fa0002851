"""Three-way merge of texts by lines: what two sides made of a common base.

Where only one side changed something, its change is taken; where both made the
same change, it is taken once. Changes that touch the same or neighbouring lines
differently are a conflict: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Lines = Sequence[str]
# Comparing takes up to the square of the lines: beyond this a person decides.
MAX_LINES = 5000


@dataclass(frozen=True)
class Hunk:
    """A place where both sides changed the base differently. `line` counts in `mine`, from 1."""

    line: int
    base: str
    mine: str
    theirs: str


@dataclass(frozen=True)
class Merged:
    """The merged text, or (with conflicts) `mine` as it was."""

    text: str
    conflicts: tuple[Hunk, ...]


def three_way(base: str, mine: str, theirs: str) -> Merged:
    """Merge `mine` and `theirs`, both made from `base`."""
    if theirs in (mine, base):
        return Merged(mine, ())
    if base == mine:
        return Merged(theirs, ())
    if max(text.count("\n") for text in (base, mine, theirs)) > MAX_LINES:
        return Merged(mine, (Hunk(1, base, mine, theirs),))
    texts = tuple(text.splitlines(keepends=True) for text in (base, mine, theirs))
    merged: list[str] = []
    conflicts: list[Hunk] = []
    for places in _stretches(*texts):
        old, ours, new = (list(t[s]) for t, s in zip(texts, places, strict=True))
        if ours in (old, new):
            merged += new
        elif new == old:
            merged += ours
        else:
            parts = ("".join(old), "".join(ours), "".join(new))
            conflicts.append(Hunk(places[1].start + 1, *parts))
    return Merged(mine if conflicts else "".join(merged), tuple(conflicts))


def _stretches(base: Lines, mine: Lines, theirs: Lines) -> Iterator[tuple[slice, slice, slice]]:
    """The three texts cut at the lines that all three have in common, in order."""
    at = (0, 0, 0)
    for b, m, t, length in (*_common(base, mine, theirs), (len(base), len(mine), len(theirs), 0)):
        if (b, m, t) != at:
            yield slice(at[0], b), slice(at[1], m), slice(at[2], t)
        if length:
            yield slice(b, b + length), slice(m, m + length), slice(t, t + length)
        at = (b + length, m + length, t + length)


def _common(base: Lines, mine: Lines, theirs: Lines) -> Iterator[tuple[int, int, int, int]]:
    """Runs of lines of the base that both others kept: three offsets and a length."""
    left = SequenceMatcher(None, base, mine, autojunk=False).get_matching_blocks()
    right = SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(left) and j < len(right):
        x, y = left[i], right[j]
        start, end = max(x.a, y.a), min(x.a + x.size, y.a + y.size)
        if start < end:
            yield start, x.b + start - x.a, y.b + start - y.a, end - start
        if x.a + x.size <= y.a + y.size:
            i += 1
        else:
            j += 1
