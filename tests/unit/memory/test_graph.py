"""The graph above a size: recall, filters, what it does not cover, what is removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from meso_services.memory.embedded.engine import GRAPH, EmbeddedEngine
from meso_services.memory.engine import ANY, Document, Filters, Floats
from meso_services.mind.clustering import normalised

DIMENSION, COUNT, EXACT_TO = 64, 3000, 1000
EVEN = Filters(tags=("even",))


def _vectors(count: int, seed: int) -> Floats:
    """In groups, as memories are."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, DIMENSION))
    found = centres[chance.integers(0, 40, count)] + chance.standard_normal((count, DIMENSION))
    return normalised(found.astype(np.float32))


VECTORS, QUERIES = _vectors(COUNT, 1), _vectors(50, 2)


def _documents(first: int, last: int) -> list[Document]:
    return [
        Document(
            f"d{n:05}",
            "",
            "",
            source="ann",
            tags=("even",) if n % 2 == 0 else (),
            created=float(n),
            vector=VECTORS[n],
        )
        for n in range(first, last)
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "engine"


@pytest.fixture
def engine(place: Path) -> Iterator[EmbeddedEngine]:
    made = _opened(place)
    made.put(_documents(0, COUNT))
    yield made
    made.close()


def _opened(place: Path) -> EmbeddedEngine:
    return EmbeddedEngine(place, DIMENSION, "m", exact_to=EXACT_TO)


def _recall(engine: EmbeddedEngine, filters: Filters = ANY, gone: range = range(0)) -> float:
    kept = [
        n
        for n in range(COUNT)
        if n not in gone and (filters.open or filters.accept(_documents(n, n + 1)[0]))
    ]
    hits = 0
    for query in QUERIES:
        found = {one.id for one in engine.by_vector(query, filters, 10)}
        assert found <= {f"d{n:05}" for n in kept}
        best = np.argsort(-(VECTORS[kept] @ query))[:10]
        hits += len(found & {f"d{kept[n]:05}" for n in best})
    return hits / 10 / len(QUERIES)


def test_until_it_is_tended_search_is_exact(engine: EmbeddedEngine) -> None:
    assert engine.behind == COUNT
    assert _recall(engine) == 1


def test_tended_it_finds_nearly_all_also_with_filters(engine: EmbeddedEngine) -> None:
    assert engine.tend(60) == 0
    assert _recall(engine) >= 0.98
    assert _recall(engine, EVEN) >= 0.98
    assert _recall(engine, Filters(since=100.0, until=2900.0)) >= 0.98
    assert _recall(engine, Filters(since=2990.0)) == 1
    assert engine.by_vector(QUERIES[0], Filters(tags=("none",))) == []


def test_half_tended_it_looks_at_the_rest_itself(engine: EmbeddedEngine) -> None:
    left = engine.tend(0)
    assert 0 < left < COUNT
    assert _recall(engine) >= 0.98
    assert _recall(engine, EVEN) >= 0.98


def test_what_is_removed_or_changed_is_not_found_as_it_was(engine: EmbeddedEngine) -> None:
    engine.tend(60)
    gone = range(500, 1500)
    engine.remove(f"d{n:05}" for n in gone)
    assert _recall(engine, gone=gone) >= 0.98
    opposite = Document("d00000", "", "", vector=-VECTORS[0])
    engine.put([opposite])
    assert engine.by_vector(-VECTORS[0], limit=1)[0].id == "d00000"
    assert engine.by_vector(VECTORS[0], limit=1)[0].id != "d00000"


def test_when_most_is_removed_the_limit_is_still_filled(engine: EmbeddedEngine) -> None:
    engine.tend(60)
    engine.remove(f"d{n:05}" for n in range(COUNT) if n % 4)
    found = engine.by_vector(QUERIES[0], limit=400)
    assert len(found) == 400
    assert all(int(one.id[1:]) % 4 == 0 for one in found)


def test_it_is_kept_over_a_reopening(engine: EmbeddedEngine, place: Path) -> None:
    engine.tend(60)
    engine.remove(["d00005"])
    engine.close()
    again = _opened(place)
    assert again.behind == 0
    assert _recall(again, gone=range(5, 6)) >= 0.97
    again.put([Document("late", "", "", vector=_vectors(1, 9)[0])])
    assert again.by_vector(_vectors(1, 9)[0], limit=1)[0].id == "late"
    assert again.behind == 1
    again.close()


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "other"])
def test_a_damaged_graph_is_noticed_and_made_anew(
    engine: EmbeddedEngine, place: Path, harm: str
) -> None:
    engine.tend(60)
    engine.close()
    file = place / GRAPH
    raw = bytearray(file.read_bytes())
    match harm:
        case "cut":
            file.write_bytes(raw[: len(raw) // 2])
        case "flip":
            raw[len(raw) // 3] ^= 0x55
            file.write_bytes(raw)
        case "gone":
            file.unlink()
        case _:
            file.write_bytes(b"something else")
    again = _opened(place)
    assert again.behind == COUNT
    assert _recall(again) == 1
    assert again.tend(60) == 0
    assert _recall(again) >= 0.98
    again.close()
