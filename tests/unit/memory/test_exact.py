"""Filters and exactness against a naive reading of what they mean."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.memory.embedded import database
from meso_services.memory.embedded.engine import EmbeddedEngine
from meso_services.memory.engine import Document, Filters, Floats, Scored

DIMENSION = 8
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")
TAGS, SOURCES = ("red", "green", "blue"), ("ann", "bob", None)


def _unit(numbers: Sequence[float]) -> Floats:
    found = np.array(numbers, np.float32)
    found[0] += 0.5
    return found / np.linalg.norm(found)


UNITS = st.lists(st.integers(0, 8), min_size=DIMENSION, max_size=DIMENSION).map(_unit)
DOCUMENTS = st.builds(
    Document,
    id=st.sampled_from([f"d{n:02}" for n in range(30)]),
    title=st.just(""),
    text=st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    source=st.sampled_from(SOURCES),
    tags=st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple),
    created=st.integers(0, 20).map(float),
    vector=st.none() | UNITS,
)
FILTERS = st.builds(
    Filters,
    since=st.none() | st.integers(0, 20).map(float),
    until=st.none() | st.integers(0, 20).map(float),
    sources=st.lists(st.sampled_from(["ann", "bob", "eve"]), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from([*TAGS, "none"]), max_size=2).map(tuple),
    exclude=st.frozensets(st.sampled_from(["d00", "d01", "d02", "d99"]), max_size=3),
)
CHANGES = st.lists(DOCUMENTS | st.sampled_from([f"d{n:02}" for n in range(30)]), max_size=24)


def _naive(held: dict[str, Document], filters: Filters, query: Floats) -> dict[str, float]:
    return {
        one.id: float(np.dot(one.vector.astype(np.float64), query.astype(np.float64)))
        for one in held.values()
        if one.vector is not None and filters.accept(one)
    }


@settings(max_examples=40, deadline=None)
@given(changes=CHANGES, filters=FILTERS, query=UNITS, limit=st.integers(0, 12))
def test_after_any_changes_and_a_reopening_searches_agree_with_the_naive_reading(
    changes: list[Document | str], filters: Filters, query: Floats, limit: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        engine = EmbeddedEngine(Path(place), DIMENSION, "m")
        held: dict[str, Document] = {}
        for number, change in enumerate(changes):
            if isinstance(change, str):
                engine.remove([change])
                held.pop(change, None)
            else:
                engine.put([change])
                held[change.id] = change
            if number == len(changes) // 2:
                engine.close()
                engine = EmbeddedEngine(Path(place), DIMENSION, "m")
        assert engine.count() == len(held)
        assert engine.get(sorted(held)) == [held[name] for name in sorted(held)]
        _agree(engine.by_vector(query, filters, limit), _naive(held, filters, query), limit)
        having = {
            one.id for one in held.values() if filters.accept(one) and "beta" in one.text.split()
        }
        assert {one.id for one in engine.by_words(["beta"], filters, 100)} == having
        engine.close()


def _agree(found: list[Scored], naive: dict[str, float], limit: int) -> None:
    assert len(found) == min(limit, len(naive))
    assert [one.score for one in found] == pytest.approx(
        sorted(naive.values(), reverse=True)[:limit], abs=2e-6
    )
    assert all(one.score == pytest.approx(naive[one.id], abs=2e-6) for one in found)
    assert found == sorted(found, key=lambda one: (-one.score, one.id))


@settings(max_examples=20, deadline=None)
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=30), order=st.randoms())
def test_results_do_not_depend_on_the_order_of_writing(
    documents: list[Document], order: object
) -> None:
    last = {one.id: one for one in documents}
    shuffled = list(last.values())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    results = []
    for some in (list(last.values()), shuffled):
        with tempfile.TemporaryDirectory() as place:
            engine = EmbeddedEngine(Path(place), DIMENSION, "m")
            engine.put(some)
            query = _unit(range(DIMENSION))
            results.append((engine.by_words(["beta", "gamma"]), engine.by_vector(query)))
            engine.close()
    assert results[0] == results[1]


def test_words_that_nearly_all_have_do_not_rank_but_still_find(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path, DIMENSION, "m")
    count = database.MOST_RANKED + 500
    engine.put(
        [
            Document(f"d{n:05}", "", "common" + (" rare" if n % 1000 == 7 else ""), source="ann")
            for n in range(count)
        ]
    )
    found = engine.by_words(["common", "rare"], limit=10)
    assert [one.id for one in found[:3]] == ["d00007", "d01007", "d02007"]
    assert len(found) == 10
    assert found[2].score > found[3].score == database.TOO_COMMON
    assert len(engine.by_words(["common"], limit=10_000)) == count
    few = Filters(exclude=frozenset(f"d{n:05}" for n in range(count) if n not in (7, 8)))
    assert [one.id for one in engine.by_words(["rare", "common"], few)] == ["d00007", "d00008"]
    assert engine.holders("rare") == 3
    assert engine.holders("common") > database.MOST_RANKED
    engine.close()
