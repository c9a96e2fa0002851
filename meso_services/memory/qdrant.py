"""The engine of a Qdrant server, by its own client; or in a directory by the client alone.

Words are a sparse vector: the client says how often a document has a term (BM25's part of the
document), the server knows how rare the term is (its IDF modifier).
"""

from __future__ import annotations

import math
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from meso_services.memory.embedded.engine import unit
from meso_services.memory.engine import (
    ANY,
    MAX_LIMIT,
    Document,
    EngineError,
    EngineMismatch,
    EngineUnreachable,
    Filters,
    Floats,
    Scored,
)
from meso_services.memory.tokens import Analyser

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client import models as q

NAME = "qdrant"
COLLECTION, FACTS = "meso-memory", "meso-memory-facts"
MEANING, WORDS = "meaning", "words"
PLACES = 6
# BM25's constants. A mean length that is fixed, or each new document would change all others.
_K1, _B, _USUAL_LENGTH = 1.2, 0.75, 64
# Fetched beyond the limit, so that ids decide among equals at its edge.
_MORE = 64
_PAGE = 1000
_SPACE = uuid.UUID("6f1d5a36-2c57-4a1c-9d0b-7b6f6f2f7f0e")
_FACTS_ID = str(uuid.uuid5(_SPACE, ""))
_TITLE_WEIGHT = 2


class QdrantEngine:
    """Documents in one collection. One thread at a time."""

    name = NAME

    def __init__(self, client: QdrantClient, dimension: int, model: str) -> None:
        """Open or make the collection. Raises EngineMismatch, EngineUnreachable."""
        self.dimension, self.model = dimension, model
        self._client = client
        self._analyser = Analyser()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        from qdrant_client import models as q  # noqa: PLC0415 (only who uses such a server has it)

        wanted = {"model": self.model, "dimension": self.dimension}
        with _plainly():
            if self._client.collection_exists(COLLECTION):
                found = self._client.retrieve(FACTS, [_FACTS_ID]) if self._facts_there() else []
                held = (found[0].payload or {}) if found else {}
                if held != wanted:
                    raise EngineMismatch(f"the collection is of {held}, wanted is {wanted}")
                return
            self._client.create_collection(
                COLLECTION,
                vectors_config={
                    MEANING: q.VectorParams(size=self.dimension, distance=q.Distance.DOT)
                },
                sparse_vectors_config={WORDS: q.SparseVectorParams(modifier=q.Modifier.IDF)},
            )
            self._index("created", q.PayloadSchemaType.FLOAT)
            for field in ("source", "tags", "id"):
                self._index(field, q.PayloadSchemaType.KEYWORD)
            # A note apart: the collection counts documents and nothing else.
            if self._facts_there():
                self._client.delete_collection(FACTS)
            self._client.create_collection(
                FACTS, vectors_config=q.VectorParams(size=1, distance=q.Distance.DOT)
            )
            self._client.upsert(FACTS, [q.PointStruct(id=_FACTS_ID, vector=[1.0], payload=wanted)])

    def _facts_there(self) -> bool:
        return bool(self._client.collection_exists(FACTS))

    def _index(self, field: str, kind: q.PayloadSchemaType) -> None:
        import warnings  # noqa: PLC0415

        with warnings.catch_warnings():
            # In a directory there are no such indexes, and the client says so each time.
            warnings.simplefilter("ignore")
            self._client.create_payload_index(COLLECTION, field, kind)

    def close(self) -> None:
        """Let go of the connection; once more does nothing."""
        self._client.close()
        self._analyser.close()

    def put(self, documents: Sequence[Document]) -> None:
        """Add documents, or what they are now, in one request."""
        last = {one.id: one for one in documents}
        points = [self._point(one) for one in last.values()]
        if points:
            with _plainly():
                self._client.upsert(COLLECTION, points, wait=True)

    def _point(self, one: Document) -> q.PointStruct:
        from qdrant_client import models as q  # noqa: PLC0415

        if not one.id or not (math.isfinite(one.created) and math.isfinite(one.strength)):
            raise ValueError(f"{one.id!r}: an id, finite created and strength are needed")
        vectors: dict[str, Any] = {WORDS: self._sparse(one)}
        if one.vector is not None:
            vectors[MEANING] = unit(one.vector, self.dimension).tolist()
        payload = {
            **{"id": one.id, "title": one.title, "text": one.text, "source": one.source},
            **{"tags": list(one.tags), "created": one.created, "strength": one.strength},
        }
        return q.PointStruct(id=_point_id(one.id), vector=vectors, payload=payload)

    def _sparse(self, one: Document) -> q.SparseVector:
        from qdrant_client import models as q  # noqa: PLC0415

        terms = self._analyser.terms(f"{one.text}\n{one.source or ''}")
        for term, often in self._analyser.terms(f"{one.title}\n{' '.join(one.tags)}").items():
            terms[term] += _TITLE_WEIGHT * often
        length = _K1 * (1 - _B + _B * terms.total() / _USUAL_LENGTH)
        held: dict[int, float] = {}
        for term, often in terms.items():
            # Two terms with one number are rare: their weights meet, as their documents do.
            number = _term_id(term)
            held[number] = held.get(number, 0) + often * (_K1 + 1) / (often + length)
        return q.SparseVector(indices=list(held), values=list(held.values()))

    def remove(self, ids: Iterable[str]) -> None:
        """Forget documents; an unknown id does nothing."""
        points: list[Any] = [_point_id(name) for name in dict.fromkeys(ids)]
        if points:
            with _plainly():
                self._client.delete(COLLECTION, points, wait=True)

    def set_strength(self, strengths: Mapping[str, float]) -> None:
        """Change strengths by id; an unknown id does nothing."""
        if not all(math.isfinite(strength) for strength in strengths.values()):
            raise ValueError("a strength is a finite number")
        by_strength: dict[float, list[Any]] = {}
        with _plainly():
            for one in self._retrieve(list(strengths)):
                name = str((one.payload or {})["id"])
                by_strength.setdefault(strengths[name], []).append(one.id)
            for strength, points in by_strength.items():
                self._client.set_payload(COLLECTION, {"strength": strength}, points, wait=True)

    def by_words(
        self, words: Sequence[str], filters: Filters = ANY, limit: int = 10
    ) -> list[Scored]:
        """Documents with any of the words, by BM25."""
        from qdrant_client import models as q  # noqa: PLC0415

        numbers = sorted({_term_id(term) for word in words for term in self._analyser.terms(word)})
        if not numbers:
            return []
        query = q.SparseVector(indices=numbers, values=[1.0] * len(numbers))
        return [one for one in self._query(query, WORDS, filters, limit) if one.score > 0]

    def having(self, word: str, ids: Sequence[str]) -> set[str]:
        """Which of these documents have the word."""
        wanted = self._analyser.terms(word)
        if not wanted or not ids:
            return set()
        found = set()
        for one in self.get(ids):
            said = f"{one.title}\n{one.text}\n{' '.join(one.tags)}\n{one.source or ''}"
            if wanted.keys() <= self._analyser.terms(said).keys():
                found.add(one.id)
        return found

    def holders(self, word: str) -> int:
        """How many documents have the word; above a limit it is not counted on."""
        return len(self.by_words([word], ANY, MAX_LIMIT - _MORE))

    def by_vector(self, vector: Floats, filters: Filters = ANY, limit: int = 10) -> list[Scored]:
        """Documents by the cosine to a unit vector."""
        return self._query(unit(vector, self.dimension).tolist(), MEANING, filters, limit)

    def _query(self, query: Any, using: str, filters: Filters, limit: int) -> list[Scored]:
        if not 0 <= limit <= MAX_LIMIT:
            raise ValueError(f"a limit is from 0 to {MAX_LIMIT}")
        if not limit:
            return []
        with _plainly():
            found = self._client.query_points(
                COLLECTION,
                query=query,
                using=using,
                query_filter=_conditions(filters),
                limit=limit + _MORE,
                with_payload=["id"],
            ).points
        scored = [Scored(str((p.payload or {})["id"]), round(p.score, PLACES)) for p in found]
        return sorted(scored, key=lambda one: (-one.score, one.id))[:limit]

    def get(self, ids: Sequence[str]) -> list[Document]:
        """The documents there are, in the order asked for, each once."""
        with _plainly():
            held = {one.id: one for one in map(_document, self._retrieve(ids))}
        return [held[name] for name in dict.fromkeys(ids) if name in held]

    def _retrieve(self, ids: Sequence[str]) -> list[Any]:
        points = [_point_id(name) for name in dict.fromkeys(ids)]
        found: list[Any] = []
        for start in range(0, len(points), _PAGE):
            part = points[start : start + _PAGE]
            found += self._client.retrieve(COLLECTION, part, with_vectors=[MEANING])
        return found

    def vectors(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, Floats]]:
        """Ids and vectors, in the order of the ids."""
        names = self._names() if ids is None else sorted(set(ids))
        for start in range(0, len(names), _PAGE):
            for one in self.get(names[start : start + _PAGE]):
                if one.vector is not None:
                    yield one.id, one.vector

    def _names(self) -> list[str]:
        names, offset = [], None
        while True:
            with _plainly():
                page, offset = self._client.scroll(
                    COLLECTION, limit=_PAGE, offset=offset, with_payload=["id"]
                )
            names += [str((one.payload or {})["id"]) for one in page]
            if offset is None:
                return sorted(names)

    def count(self) -> int:
        """Number of documents."""
        with _plainly():
            return int(self._client.count(COLLECTION, exact=True).count)

    def clear(self) -> None:
        """Forget every document."""
        discard(self._client)
        self._prepare()


def connect(url: str, key: str | None = None) -> QdrantClient:
    """A client of a server (`http://…`), or of a directory (`file:/…`). Raises EngineError."""
    try:
        from qdrant_client import QdrantClient  # noqa: PLC0415
    except ImportError as problem:
        raise EngineError("the Python package qdrant-client is not installed") from problem
    with _plainly():
        if url.startswith("file:"):
            return QdrantClient(path=url.removeprefix("file:"))
        return QdrantClient(url=url, api_key=key, timeout=10, check_compatibility=False)


def discard(client: QdrantClient) -> None:
    """Remove what an engine stored. Raises EngineUnreachable."""
    with _plainly():
        for name in (COLLECTION, FACTS):
            if client.collection_exists(name):
                client.delete_collection(name)


def _point_id(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name))


def _term_id(term: str) -> int:
    return zlib.crc32(term.encode())


def _conditions(filters: Filters) -> q.Filter | None:
    from qdrant_client import models as q  # noqa: PLC0415

    if filters.open:
        return None
    must: list[Any] = []
    if filters.since is not None or filters.until is not None:
        span = q.Range(gte=filters.since, lte=filters.until)
        must.append(q.FieldCondition(key="created", range=span))
    if filters.sources:
        one_of = q.MatchAny(any=list(filters.sources))
        must.append(q.FieldCondition(key="source", match=one_of))
    for tag in filters.tags:
        must.append(q.FieldCondition(key="tags", match=q.MatchValue(value=tag)))
    out: list[Any] = []
    if filters.exclude:
        out.append(q.HasIdCondition(has_id=[_point_id(name) for name in sorted(filters.exclude)]))
    return q.Filter(must=must or None, must_not=out or None)


def _document(one: Any) -> Document:
    held = one.payload
    vector = (one.vector or {}).get(MEANING)
    return Document(
        *(held["id"], held["title"], held["text"], held["source"], tuple(held["tags"])),
        *(held["created"], held["strength"]),
        None if vector is None else np.array(vector, np.float32),
    )


class _plainly:  # noqa: N801 (reads as a statement)
    """The client's errors as the engine's own."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, problem: BaseException | None, _: object) -> None:
        if problem is None or isinstance(problem, EngineError | ValueError):
            return
        from qdrant_client.http.exceptions import (  # noqa: PLC0415
            ResponseHandlingException,
            UnexpectedResponse,
        )

        if isinstance(problem, ResponseHandlingException):
            raise EngineUnreachable(f"Qdrant does not answer: {problem}") from problem
        if isinstance(problem, UnexpectedResponse | OSError | RuntimeError):
            raise EngineError(f"Qdrant refused: {problem}") from problem
