"""Hybrid search: what ranks first, and whether it says truly why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.memory.embedded.engine import EmbeddedEngine
from meso_services.memory.engine import Document, Engine, Filters, Floats
from meso_services.memory.search import DAY, Parameters, Ranked, search
from meso_services.memory.words import MAX_WORDS, snippet, words_of

NOW = 1000 * DAY


def _at(cosine: float, axis: int = 1) -> Floats:
    """A unit vector with this cosine to the query's."""
    found = np.zeros(16, np.float32)
    found[0] = cosine
    found[axis] = np.sqrt(1 - cosine * cosine)
    return found


QUERY = _at(1.0)
WORDS = ("boiler", "valve", "the")


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.put(
        [
            Document("both", "", "the boiler needs a valve", created=NOW - DAY, vector=_at(0.8)),
            Document("words", "", "the boiler and the valve", created=NOW, vector=_at(0.1)),
            Document("meaning", "", "heating is broken", created=NOW - 9 * DAY, vector=_at(0.82)),
            Document("empty", "", "the weather of the day", created=NOW, vector=_at(0.12)),
            Document("bare", "", "a boiler without a vector", created=NOW),
            *(
                Document(f"other{n}", "", f"the talk number {n}", vector=_at(0.05, n + 2))
                for n in range(12)
            ),
        ]
    )
    return engine


def _search(
    engine: Engine,
    words: Sequence[str] = WORDS,
    vector: Floats | None = QUERY,
    **more: object,
) -> list[Ranked]:
    return search(engine, words, vector, now=NOW, **more)  # type: ignore[arg-type]


def _ids(found: list[Ranked]) -> list[str]:
    return [one.document.id for one in found]


def test_what_matches_both_ways_comes_first(filled: Engine) -> None:
    found = _ids(_search(filled))
    assert found[0] == "both"
    assert set(found[1:4]) == {"words", "meaning", "bare"}


def test_a_word_that_all_have_lifts_nobody(filled: Engine) -> None:
    """What shares only `the` with the query ranks behind what means the same."""
    found = _ids(_search(filled, ("the",)))
    assert found[:2] == ["meaning", "both"]


def test_every_result_explains_itself(filled: Engine) -> None:
    by_id = {one.document.id: one for one in _search(filled, limit=20)}
    both, meaning, bare = by_id["both"], by_id["meaning"], by_id["bare"]
    assert (both.matched, both.missing) == (("boiler", "valve", "the"), ())
    assert (meaning.matched, meaning.missing) == ((), WORDS)
    assert (bare.matched, bare.missing) == (("boiler",), ("valve", "the"))
    assert (meaning.bm25, meaning.word_rank, meaning.vector_rank) == (None, None, 1)
    assert (bare.similarity, bare.vector_rank) == (None, None)
    assert both.similarity == pytest.approx(0.8, abs=1e-5)
    assert both.vector_rank == 2
    assert both.bm25 is not None
    assert both.word_rank in {1, 2}
    assert (both.age, both.strength) == (DAY, 1.0)
    for one in by_id.values():
        assert one.score == pytest.approx(one.fused * one.weight, abs=1e-8)
        assert one.how.endswith(f"= {one.fused * one.weight:.3f}")
        assert f"= {one.fused:.3f};" in one.how


def test_words_alone_and_meaning_alone_are_searches_too(filled: Engine) -> None:
    words = _search(filled, vector=None, limit=3)
    assert set(_ids(words)) == {"both", "words", "bare"}
    assert all(one.similarity is None and one.how.startswith("1.00 x words") for one in words)
    meaning = _search(filled, (), limit=2)
    assert _ids(meaning) == ["meaning", "both"]
    assert all("1.00 x meaning" in one.how for one in meaning)
    assert _search(filled, (), None) == []


def test_words_that_nobody_has_leave_meaning_alone(filled: Engine) -> None:
    found = _search(filled, ("unheard",), limit=2)
    assert _ids(found) == ["meaning", "both"]
    assert found[0].missing == ("unheard",)


def test_strength_and_age_move_what_is_equal(engine: Engine) -> None:
    engine.put(
        [
            Document(name, "", "the same", created=NOW - age * DAY, strength=s, vector=_at(0.7))
            for name, age, s in (("a", 0, 0.2), ("b", 30, 1.0), ("c", 0, 1.0), ("d", 5, 1.5))
        ]
    )
    assert _ids(_search(engine, ("same",))) == ["d", "b", "c", "a"]
    aging = Parameters(age_half_life_days=10)
    found = _search(engine, ("same",), parameters=aging)
    assert _ids(found) == ["d", "c", "a", "b"]
    assert "age 30.0 days" in found[3].how
    assert found[0].weight > found[1].weight > found[2].weight > found[3].weight


def test_the_weakest_is_weak_but_found(engine: Engine) -> None:
    engine.put(
        [
            Document("faded", "", "boiler valve", strength=0.0, vector=_at(0.9)),
            Document("strong", "", "weather", strength=50.0, vector=_at(0.2)),
        ]
    )
    assert _ids(_search(engine)) == ["faded", "strong"]


def test_filters_hold_in_the_whole_search(filled: Engine) -> None:
    assert "both" not in _ids(_search(filled, filters=Filters(exclude=frozenset({"both"}))))
    assert _ids(_search(filled, filters=Filters(since=NOW + 1))) == []


def test_a_larger_limit_continues_a_smaller_one(filled: Engine) -> None:
    every = _search(filled, limit=17)
    for limit in (0, 1, 4, 9):
        assert _search(filled, limit=limit) == every[:limit]


@settings(max_examples=25, deadline=None)
@given(strengths=st.lists(st.integers(0, 30).map(lambda n: n / 10), min_size=2, max_size=8))
def test_more_strength_never_ranks_lower(
    strengths: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    engine = EmbeddedEngine(tmp_path_factory.mktemp("e") / "e", 16, "m")
    engine.put(
        [
            Document(f"d{n}", "", "boiler", strength=strength, vector=_at(0.6))
            for n, strength in enumerate(strengths)
        ]
    )
    found = [min(one.strength, 2.0) for one in _search(engine)]
    assert found == sorted(found, reverse=True)
    engine.close()


@pytest.fixture
def reopened(tmp_path: Path) -> Iterator[list[list[Ranked]]]:
    results = []
    for order in (1, -1):
        made = EmbeddedEngine(tmp_path / str(order), 16, "m")
        made.put([Document(f"d{n}", "", "valve", vector=_at(0.5)) for n in range(9)][::order])
        results.append(_search(made, limit=5))
        made.close()
    yield results


def test_equals_come_in_the_order_of_ids_whatever_the_history(
    reopened: list[list[Ranked]],
) -> None:
    assert _ids(reopened[0]) == ["d0", "d1", "d2", "d3", "d4"] == _ids(reopened[1])


def test_words_of_a_query() -> None:
    assert words_of('The "Boiler" OR -valve* boiler; Zürich') == (
        *("the", "boiler", "or", "valve", "zürich"),
    )
    assert words_of("?!  …") == ()
    assert len(words_of(" ".join(f"w{n}" for n in range(99)))) == MAX_WORDS


def test_a_snippet_shows_where_the_words_are() -> None:
    text = "one two three " * 20 + "the Boilers in Zürich leak " + "four five " * 20
    shown = snippet(text, ("boiler", "zurich"), 8)
    assert "**Boilers** in **Zürich**" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert snippet("short text", ("nothing",)) == "short text"
    assert snippet("", ("word",)) == ""
    assert snippet("running water", ()) == "running water"
