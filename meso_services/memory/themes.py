"""Emergent themes: the mind's clustering over memories, named from their own words.

Memories go through it in the order in which they came to be, in batches, as thoughts go through
a mind: what has found its theme stays there when later ones arrive, and a theme keeps its
number. The effort of a batch is bounded, so that of all is in proportion to their number.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meso_services.memory.engine import Document, Engine, Floats
from meso_services.mind import splitting
from meso_services.mind.clustering import Change, Clusters, step

Labels = NDArray[np.int64]
BATCH = 256
MOST = 100_000
# How far from a theme's middle a memory may be (cosine distance), as calibrated for the local
# model (decision 0093), and how many make one.
THRESHOLD = 0.65
LEAST = 3
# A theme whose mean cosine to its middle sinks below is looked at again as it grows.
SPLIT_BELOW = 0.75
# To stay in a new theme takes this much more nearness than to join it later, when its middle
# is better known.
_NEARER = 0.1
_ROUNDS = 8
NAMING = 3
NOISE = -1
# Names come from so many of a theme's memories, the nearest to its middle.
_MOST_READ = 100
_WORD = re.compile(r"[^\W\d_][\w'’-]+")  # noqa: RUF001 (also a typographer's apostrophe)
_SHORTEST = 3
# English words that tell nothing of what a text is about; in other languages the weights must do.
_EMPTY = frozenset(
    """
    about after again all also always and another any are because been before being both but
    can cannot could did does each even every few for from get gets had has have having her
    here him his how into its itself just made make makes many may more most much must never
    nor not now off often once one only other others our out over own same shall she should
    since some still such than that the their them then there these they this those through
    too two under until upon very was were what when where which while who whom whose why
    will with without would yes yet you your
    """.split()  # noqa: SIM905 (ninety words in a column would be no better to read)
)


@dataclass(frozen=True, slots=True)
class Theme:
    """`members` by nearness to the middle, ids; `coherence` is their mean cosine to it."""

    number: int
    name: str
    words: tuple[str, ...]
    members: tuple[str, ...]
    coherence: float


@dataclass(frozen=True, slots=True)
class Themes:
    """Themes, the largest first; `noise` are memories of none; `left_out` the older ones
    beyond MOST, which nobody looked at.
    """

    themes: tuple[Theme, ...]
    noise: tuple[str, ...]
    left_out: int

    def of(self) -> dict[str, int]:
        """Each memory's theme by its number, NOISE for none."""
        found = dict.fromkeys(self.noise, NOISE)
        found |= {name: theme.number for theme in self.themes for name in theme.members}
        return found


def find(
    engine: Engine, *, threshold: float = THRESHOLD, least: int = LEAST, most: int = MOST
) -> Themes:
    """The themes of the newest `most` memories that have a vector; equal memories give equal
    themes, whatever the order in which the engine got them.
    """
    born = sorted(_born(engine))
    kept = [name for _, name in born[max(0, len(born) - most) :]]
    held = dict(engine.vectors(kept))
    kept = [name for name in kept if name in held]
    if not kept:
        return Themes((), (), len(born))
    vectors = np.stack([held[name] for name in kept])
    held.clear()
    labels, clusters = cluster(vectors, threshold, least)
    members = _members(vectors, labels, clusters)
    named = _named(engine, kept, members)
    themes = tuple(
        Theme(
            number,
            *named[number],
            tuple(kept[row] for row in rows),
            round(float((vectors[rows] @ clusters.centroids()[number]).mean()), 4),
        )
        for number, rows in sorted(members.items(), key=lambda one: (-len(one[1]), one[0]))
    )
    noise = tuple(kept[row] for row in np.flatnonzero(labels == NOISE).tolist())
    return Themes(themes, noise, len(born) - len(kept))


def cluster(
    vectors: Floats, threshold: float = THRESHOLD, least: int = LEAST
) -> tuple[Labels, Clusters]:
    """Each row's cluster, NOISE for none; rows are the oldest first."""
    found = _Found(vectors, splitting.Rules(threshold, least))
    loose: list[int] = []
    for start in range(0, len(vectors), BATCH):
        new = range(start, min(start + BATCH, len(vectors)))
        # What has been without a theme for long is not asked again: the effort stays bounded.
        rows = [*loose[-BATCH:], *new]
        found.take(rows)
        loose = [row for row in rows if found.labels[row] == NOISE]
    return found.labels, found.clusters


class _Found:
    """Clusters while they grow. A group that HDBSCAN finds in a few hundred short texts is often
    several themes and what lies between them. So a new one is split, and what is far from its
    middle let go, before the rest is asked once more.
    """

    def __init__(self, vectors: Floats, rules: splitting.Rules) -> None:
        self.vectors, self._rules = vectors, rules
        self.clusters = Clusters(vectors.shape[1])
        self.labels: Labels = np.full(len(vectors), NOISE, np.int64)

    def take(self, rows: Sequence[int]) -> None:
        """Find places for loose rows, ascending."""
        for _ in range(_ROUNDS):
            asked = [row for row in rows if self.labels[row] == NOISE]
            known = self.clusters.count
            changes = step(
                self.clusters,
                asked,
                self.vectors[asked],
                threshold=self._rules.threshold,
                min_size=self._rules.min_size,
            )
            self._move(changes)
            due = splitting.due(self.clusters, changes, SPLIT_BELOW, self._rules.min_size)
            born = range(known, self.clusters.count)
            for number in sorted({*due, *born}):
                self._settle(number)
            # Without a new group the rest would be told the same once more.
            if not born:
                break

    def _settle(self, number: int) -> None:
        members = self._of(number)
        parts = [number]
        if len(members) >= 2 * self._rules.min_size:
            held = (members.tolist(), self.vectors[members])
            changes = splitting.split(self.clusters, number, held, self._rules)
            self._move(changes)
            parts += sorted({change.cluster for change in changes})
        for part in parts:
            rows = self._of(part)
            far = 1 - self.vectors[rows] @ self.clusters.centroids()[part]
            self._let_go(part, rows[far > self._rules.threshold - _NEARER])
            rows = self._of(part)
            if len(rows) < self._rules.min_size:
                self._let_go(part, rows)

    def _of(self, number: int) -> Labels:
        return np.flatnonzero(self.labels == number)

    def _move(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.labels[change.thought] = change.cluster

    def _let_go(self, number: int, rows: Labels) -> None:
        if len(rows):
            self.clusters.add([number] * len(rows), self.vectors[rows], [-1] * len(rows))
            self.labels[rows] = NOISE


def _born(engine: Engine) -> Iterator[tuple[float, str]]:
    names = [name for name, _ in engine.vectors()]
    for start in range(0, len(names), 1000):
        for one in engine.get(names[start : start + 1000]):
            yield one.created, one.id


def _members(vectors: Floats, labels: Labels, clusters: Clusters) -> dict[int, list[int]]:
    """Rows of each cluster, the nearest to its middle first."""
    found = {}
    for number in range(clusters.count):
        rows = np.flatnonzero(labels == number)
        near = np.round(vectors[rows] @ clusters.centroids()[number], 6)
        if len(rows):
            found[number] = rows[np.argsort(-near, kind="stable")].tolist()
    return found


def _named(
    engine: Engine, kept: Sequence[str], members: Mapping[int, Sequence[int]]
) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Each cluster's name and words: those that many of its memories have and few others'."""
    holders: dict[int, Counter[str]] = {}
    firsts: dict[int, dict[str, int]] = {}
    read = {}
    for number, rows in members.items():
        documents = engine.get([kept[row] for row in rows[:_MOST_READ]])
        read[number] = len(documents)
        said = [words_in(one) for one in documents]
        holders[number] = Counter(word for words in said for word in sorted(words))
        firsts[number] = {word: n for n, words in reversed([*enumerate(said)]) for word in words}
    everywhere: Counter[str] = Counter()
    for counter in holders.values():
        everywhere.update(counter)
    total = sum(read.values())
    return {
        number: _name(number, _Said(counter, firsts[number], read[number]), everywhere, total)
        for number, counter in holders.items()
    }


def words_in(one: Document) -> set[str]:
    """A memory's words that could name a theme, tags among them."""
    said = f"{one.title}\n{one.text}\n{' '.join(one.tags)}".casefold()
    return {word for word in _WORD.findall(said) if len(word) >= _SHORTEST}


@dataclass(frozen=True, slots=True)
class _Said:
    """How many of the `read` memories of a theme have each word, and the first that does."""

    holders: Counter[str]
    first: Mapping[str, int]
    read: int


def _name(
    number: int, said: _Said, everywhere: Counter[str], total: int
) -> tuple[str, tuple[str, ...]]:
    """By the share of the theme's memories that have a word, times how rare it is elsewhere;
    of equal words that of the more typical memory.
    """
    counter, read = said.holders, said.read

    def worth(word: str) -> float:
        inside = counter[word] / max(1, read)
        outside = (everywhere[word] - counter[word] + 0.5) / (total - read + 1)
        # A word of one memory alone names that memory, not the theme.
        alone = 0.5 if counter[word] < 2 else 1.0
        return inside * max(0.0, math.log(inside / outside)) * alone

    def rank(word: str) -> tuple[float, int, str]:
        return -round(worth(word), 9), said.first[word], word

    telling = [word for word in counter if word not in _EMPTY and worth(word) > 0]
    chosen: list[str] = []
    for word in sorted(telling, key=rank):
        if not any(_alike(word, other) for other in chosen):
            chosen.append(word)
        if len(chosen) == NAMING:
            break
    return ", ".join(chosen) or f"theme {number}", tuple(chosen)


def _alike(one: str, other: str) -> bool:
    """`garden` and `gardens` are one word here."""
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHORTEST and long.startswith(short) and len(long) - len(short) <= 3
