"""Hybrid search: by words and by meaning, fused, weighted by strength, and explained.

Both scores are brought to the same scale, 0 to 1, before they are added: BM25 by what a document
with every word of the query would have, the cosine by where meaning begins (`floor`) and ends.
Ranks alone would throw away how well a document matches: the first of those that share nothing
with a question but `what` and `the` is a first one, too (decision 0106).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from meso_services.memory.engine import ANY, Document, Engine, Filters, Floats, Scored

DAY = 86_400.0
# So many are taken from each side before they are fused.
_LEAST_CANDIDATES = 30
# Words that together are worth this much BM25 count half of what they could.
_TELLING = 1.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much words count beside meaning (0 to 1), and strength and age beside both.

    `strength_weight` and `age_weight` are the shares of a result's score that a strength of 0
    and an infinite age take away. Without `age_half_life_days` age takes nothing: a strength
    that fades by itself has it already.
    """

    fusion: Literal["scores", "ranks"] = "scores"
    words: float = 0.3
    floor: float = 0.1
    rank_constant: float = 60.0
    strength_weight: float = 0.3
    most_strength: float = 2.0
    age_half_life_days: float | None = None
    age_weight: float = 0.3


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document that was found, and why it ranks where it does.

    `bm25` and `word_rank` are None if words did not find it among the best, `similarity` is None
    without a vector on either side, `vector_rank` if meaning did not find it among the best.
    Ranks begin at 1. `age` in seconds. `fused` before, `score` after `weight`.
    """

    document: Document
    score: float
    fused: float
    weight: float
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    bm25: float | None
    word_rank: int | None
    similarity: float | None
    vector_rank: int | None
    age: float
    strength: float
    how: str


def search(  # noqa: PLR0913 (a search has so many parts)
    engine: Engine,
    words: Sequence[str],
    vector: Floats | None,
    filters: Filters = ANY,
    limit: int = 10,
    *,
    now: float,
    parameters: Parameters = Parameters(),
) -> list[Ranked]:
    """The best documents for a query's words and vector; either may be lacking. Equal scores
    are in the order of ids.
    """
    count = max(_LEAST_CANDIDATES, 3 * limit)
    by_words = engine.by_words(words, filters, count) if words else []
    by_vector = [] if vector is None else engine.by_vector(vector, filters, count)
    names = list(dict.fromkeys(one.id for one in (*by_words, *by_vector)))
    expected = _expected(engine, words) if by_words else 0.0
    judge = _Judge(by_words, by_vector, vector, expected=expected, now=now, parameters=parameters)
    judged = sorted(map(judge.judge, engine.get(names)), key=lambda one: (-one[0], one[1].id))
    best = judged[:limit]
    ids = [one.id for _, one in best]
    having = {word: engine.having(word, ids) if engine.holders(word) else set() for word in words}
    return [judge.explained(one, words, having) for _, one in best]


def _expected(engine: Engine, words: Sequence[str]) -> float:
    """About what BM25 gives a document of usual length that has every word once."""
    count = engine.count()
    holders = [min(engine.holders(word), count) for word in words]
    # Where all documents have them, words tell nothing, and do not count as nothing either.
    return sum(max(1e-6, math.log((count - n + 0.5) / (n + 0.5))) for n in holders)


class _Judge:
    """What both sides found, and what a document is worth by it."""

    def __init__(  # noqa: PLR0913 (a search has so many parts)
        self,
        by_words: Sequence[Scored],
        by_vector: Sequence[Scored],
        vector: Floats | None,
        *,
        expected: float,
        now: float,
        parameters: Parameters,
    ) -> None:
        self._bm25 = {one.id: (rank, one.score) for rank, one in enumerate(by_words, 1)}
        self._cosine = {one.id: (rank, one.score) for rank, one in enumerate(by_vector, 1)}
        self._expected = expected
        self._vector, self._now, self._parameters = vector, now, parameters

    def judge(self, one: Document) -> tuple[float, Document]:
        """Its score."""
        return round(self._fused(one) * self._weight(one), 9), one

    def similarity(self, one: Document) -> float | None:
        """Its cosine, also where meaning did not find it among the best."""
        if one.id in self._cosine:
            return self._cosine[one.id][1]
        if self._vector is None or one.vector is None:
            return None
        return round(float(one.vector.astype(np.float64) @ self._vector.astype(np.float64)), 6)

    def _parts(self, one: Document) -> tuple[float, float]:
        """What words and meaning give, before they are weighted."""
        _, score = self._bm25.get(one.id, (0, 0.0))
        if self._parameters.fusion == "ranks":
            constant = self._parameters.rank_constant
            ranks = (self._bm25.get(one.id), self._cosine.get(one.id))
            a, b = (constant / (constant + found[0]) if found else 0.0 for found in ranks)
            return a, b
        cosine = self.similarity(one) or 0.0
        floor = self._parameters.floor
        expected = self._expected
        return min(1.0, score / expected) if expected else 0.0, max(0.0, cosine - floor) / (
            1 - floor
        )

    def _share(self, one: Document) -> float:
        """Of the words: all of it where no meaning is asked for. Else the less, the less the
        query's words tell: those that nearly every document has say nothing of any.
        """
        if self._vector is None:
            return 1.0
        telling = self._expected / (self._expected + _TELLING)
        return telling if one.vector is None else self._parameters.words * telling

    def _fused(self, one: Document) -> float:
        words, meaning = self._parts(one)
        share = self._share(one)
        return share * words + (1 - share) * meaning

    def _age(self, one: Document) -> float:
        return max(0.0, self._now - one.created)

    def _weight(self, one: Document) -> float:
        by = self._parameters
        strength = min(max(0.0, one.strength), by.most_strength)
        weight = 1 - by.strength_weight + by.strength_weight * strength
        if by.age_half_life_days:
            left = math.exp2(-self._age(one) / DAY / by.age_half_life_days)
            weight *= 1 - by.age_weight + by.age_weight * left
        return weight

    def explained(self, one: Document, words: Sequence[str], having: dict[str, set[str]]) -> Ranked:
        """The result."""
        word_rank, bm25 = self._bm25.get(one.id, (None, None))
        vector_rank, _ = self._cosine.get(one.id, (None, None))
        matched = tuple(word for word in words if one.id in having[word])
        fused, weight = self._fused(one), self._weight(one)
        return Ranked(
            document=one,
            score=self.judge(one)[0],
            fused=fused,
            weight=weight,
            matched=matched,
            missing=tuple(word for word in words if word not in matched),
            bm25=bm25,
            word_rank=word_rank,
            similarity=self.similarity(one),
            vector_rank=vector_rank,
            age=self._age(one),
            strength=one.strength,
            how=self._how(one, fused, weight),
        )

    def _how(self, one: Document, fused: float, weight: float) -> str:
        """The sum, as one would write it down."""
        words, meaning = self._parts(one)
        share = self._share(one)
        said = (
            f"{share:.2f} x words {words:.3f} + {1 - share:.2f} x meaning {meaning:.3f}"
            f" = {fused:.3f}; x {weight:.3f} for strength {one.strength:.2f}"
        )
        if self._parameters.age_half_life_days:
            said += f" and age {self._age(one) / DAY:.1f} days"
        return f"{said} = {fused * weight:.3f}"
