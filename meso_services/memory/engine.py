"""What every engine is: documents with words and vectors, and two ways to find them.

An engine holds derived data only. Whoever owns the truth fills it, and fills it anew when it
says that it is unusable (`EngineDamaged`, `EngineMismatch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
MAX_LIMIT = 10_000


class EngineError(Exception):
    """An engine cannot do what it was asked for; the message says why."""


class EngineDamaged(EngineError):  # noqa: N818 (what happened, as the journal says it)
    """What is stored is damaged, half-written or of another layout: clear it, fill it again."""


class EngineMismatch(EngineDamaged):
    """What is stored belongs to another model or has another dimension: the same remedy."""


class EngineFull(EngineError):  # noqa: N818
    """No space left where the engine stores; what it held before is still there."""


class EngineUnreachable(EngineError):  # noqa: N818
    """The engine's server does not answer; the documents there are not in doubt."""


@dataclass(frozen=True, slots=True)
class Document:
    """One memory as an engine holds it.

    `created` in Unix seconds; `strength` is 1.0 at birth; `vector` float32 of unit length and of
    the engine's dimension, or None while there is no embedding.
    """

    id: str
    title: str
    text: str
    source: str | None = None
    tags: tuple[str, ...] = ()
    created: float = 0.0
    strength: float = 1.0
    vector: Floats | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents may be found: created from `since` until `until` (both included), of one
    of the `sources`, with every one of the `tags`, and none of `exclude`. Empty means any.
    """

    since: float | None = None
    until: float | None = None
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()

    def accept(self, document: Document) -> bool:
        """Whether this document may be found."""
        return (
            (self.since is None or document.created >= self.since)
            and (self.until is None or document.created <= self.until)
            and (not self.sources or document.source in self.sources)
            and set(self.tags) <= set(document.tags)
            and document.id not in self.exclude
        )

    @property
    def open(self) -> bool:
        """True if everything may be found."""
        return self == Filters()


ANY = Filters()


@dataclass(frozen=True, slots=True)
class Scored:
    """A document that was found; a larger score is better: BM25, or the cosine."""

    id: str
    score: float


class Engine(Protocol):
    """Found lists are sorted by score, best first, then by id. One thread at a time.

    Methods raise EngineDamaged, EngineFull or EngineUnreachable.
    """

    @property
    def name(self) -> str:
        """`embedded`, `pgvector` or `qdrant`."""

    @property
    def dimension(self) -> int:
        """Of the vectors."""

    @property
    def model(self) -> str:
        """What made the vectors; those of another model are not comparable."""

    def put(self, documents: Sequence[Document]) -> None:
        """Add documents, or what they are now; all of them or none."""

    def remove(self, ids: Iterable[str]) -> None:
        """Forget documents; an unknown id does nothing."""

    def set_strength(self, strengths: Mapping[str, float]) -> None:
        """Change strengths by id; an unknown id does nothing."""

    def by_words(
        self, words: Sequence[str], filters: Filters = ANY, limit: int = 10
    ) -> list[Scored]:
        """Documents with any of the words (see `words_of`), by BM25."""

    def having(self, word: str, ids: Sequence[str]) -> set[str]:
        """Which of these documents have the word, as `by_words` understands words."""

    def holders(self, word: str) -> int:
        """How many documents have the word; the engine may stop counting at some thousands."""

    def by_vector(self, vector: Floats, filters: Filters = ANY, limit: int = 10) -> list[Scored]:
        """Documents by the cosine to a unit vector; those without a vector are not found."""

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The documents there are, in the order asked for, each once."""

    def vectors(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, Floats]]:
        """Ids and vectors, in the order of the ids; of all documents with one if None."""

    def count(self) -> int:
        """Number of documents."""

    def clear(self) -> None:
        """Forget every document."""

    def close(self) -> None:
        """Let go of files and connections."""
