"""Memories by the million that are like real ones: their vectors are near real sentences'."""

from __future__ import annotations

import itertools
import random

import numpy as np

from meso_host.bench.haystacks import haystack
from meso_services.embedding.model import Embedder
from meso_services.memory.engine import Document, Floats
from meso_services.mind.clustering import normalised

SENTENCES, WORDS, LENGTH = 2000, 30_000, 24
_QUERIES = 1 << 40


class Source:
    """Numbered memories, always the same ones. A vector is a mixture of two real sentences' and
    of noise that spreads as the sentences do; words follow Zipf's law.
    """

    def __init__(self, embedder: Embedder) -> None:
        lines = (line for seed in itertools.count() for talk in haystack(seed).sessions
                 for line in talk)  # fmt: skip
        unique = list(itertools.islice(dict.fromkeys(itertools.islice(lines, 3000)), SENTENCES))
        self._base = embedder.embed(unique).vectors
        centred = self._base - self._base.mean(axis=0)
        self._spread = (np.linalg.cholesky(
            centred.T @ centred / len(centred) + 1e-6 * np.eye(centred.shape[1])
        ).T).astype(np.float32)  # fmt: skip
        self._words = [f"w{n:x}" for n in range(WORDS)]
        self._shares = list(itertools.accumulate(1 / (n + 3) for n in range(WORDS)))

    def documents(self, first: int, last: int) -> list[Document]:
        """The memories with these numbers."""
        vectors = self._vectors(first, last - first)
        chance = random.Random(first)  # noqa: S311
        return [
            Document(
                f"m{first + row:08}", "", self._text(chance, LENGTH), source=f"s{row % 50}",
                tags=(f"t{row % 7}",), created=float(first + row), vector=vector,
            )
            for row, vector in enumerate(vectors)
        ]  # fmt: skip

    def queries(self, count: int) -> list[tuple[tuple[str, ...], Floats]]:
        """Words and vectors like those of memories, of none of them."""
        vectors = self._vectors(_QUERIES, count)
        chance = random.Random(_QUERIES)  # noqa: S311
        return [(tuple(dict.fromkeys(self._text(chance, 6).split())), one) for one in vectors]

    def _vectors(self, seed: int, count: int) -> Floats:
        chance = np.random.default_rng(seed)
        one, other = chance.integers(0, len(self._base), (2, count))
        noise = chance.standard_normal((count, self._base.shape[1]), np.float32) @ self._spread
        return normalised(0.7 * self._base[one] + 0.3 * self._base[other] + 0.6 * noise)

    def _text(self, chance: random.Random, length: int) -> str:
        return " ".join(chance.choices(self._words, cum_weights=self._shares, k=length))
