"""What every engine promises. Each test runs on each engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from meso_services.memory.engine import Document, Engine, EngineError, Filters, Floats, Scored

Vector = Callable[[int], Floats]
TEXTS = (
    "The operator prefers curated quality over anarchy.",
    "Backups run at three in the night; nobody may reboot then.",
    "The café in Zürich closes on Mondays.",
    "Rebooting twice repaired the router.",
    "Quality is what the operator asks for first.",
)


@pytest.fixture
def documents(vector: Vector) -> list[Document]:
    return [
        Document(
            id=f"m{n}",
            title=f"Note {n}",
            text=text,
            source="alice" if n % 2 else "bob",
            tags=("even", "all") if n % 2 == 0 else ("odd", "all"),
            created=1000.0 * n,
            vector=vector(n),
        )
        for n, text in enumerate(TEXTS)
    ]


@pytest.fixture
def filled(engine: Engine, documents: list[Document]) -> Engine:
    engine.put(documents)
    return engine


def ids(found: list[Scored]) -> list[str]:
    return [one.id for one in found]


def test_what_was_put_is_got_back_whole(filled: Engine, documents: list[Document]) -> None:
    found = filled.get(["m3", "nobody", "m1", "m3"])
    assert found == [documents[3], documents[1]]
    for one in found:
        before = documents[int(one.id[1])].vector
        assert one.vector is not None
        assert before is not None
        assert np.allclose(one.vector, before, atol=1e-6)
    assert filled.count() == 5


def test_words_find_by_their_stems_and_without_accents(filled: Engine) -> None:
    assert set(ids(filled.by_words(["reboot"]))) == {"m1", "m3"}
    assert ids(filled.by_words(["zurich"])) == ["m2"]
    assert set(ids(filled.by_words(["quality", "cafe"]))) == {"m0", "m2", "m4"}
    assert filled.by_words(["unheard"]) == []
    assert filled.by_words([]) == []


def test_more_and_rarer_words_rank_higher(filled: Engine) -> None:
    found = filled.by_words(["operator", "anarchy"])
    assert ids(found) == ["m0", "m4"]
    assert found[0].score > found[1].score > 0


def test_operators_have_no_meaning(filled: Engine) -> None:
    for hostile in ('"', "NEAR", "OR", "*", "a' --", "qual*", "(", "!", "&", "\\", ":"):
        filled.by_words([hostile])
        filled.by_words([hostile, "router"])
        assert filled.having(hostile, ["m0"]) == set()
    assert ids(filled.by_words(["qual*", "router"])) == ["m3"]


def test_having_tells_which_documents_have_a_word(filled: Engine) -> None:
    assert filled.having("operators", ["m0", "m1", "m4", "nobody"]) == {"m0", "m4"}
    assert filled.having("operators", ["m1"]) == set()
    assert filled.having("operators", []) == set()


def test_tags_and_titles_are_words_too(filled: Engine) -> None:
    assert set(ids(filled.by_words(["odd"]))) == {"m1", "m3"}
    assert len(filled.by_words(["note"])) == 5


def test_vectors_find_by_the_cosine(filled: Engine, vector: Vector) -> None:
    found = filled.by_vector(vector(2), limit=5)
    assert ids(found)[0] == "m2"
    assert found[0].score == pytest.approx(1, abs=1e-5)
    expected = sorted(((float(vector(2) @ vector(n)), f"m{n}") for n in range(5)), reverse=True)
    assert ids(found) == [name for _, name in expected]
    assert [one.score for one in found] == pytest.approx([s for s, _ in expected], abs=1e-5)


def test_a_document_without_a_vector_is_found_by_words_only(
    engine: Engine, documents: list[Document], vector: Vector
) -> None:
    engine.put([replace(documents[0], vector=None), documents[1]])
    assert ids(engine.by_words(["anarchy"])) == ["m0"]
    assert ids(engine.by_vector(vector(0))) == ["m1"]
    assert engine.get(["m0"])[0].vector is None
    assert [name for name, _ in engine.vectors()] == ["m1"]
    engine.put([documents[0]])
    assert ids(engine.by_vector(vector(0)))[0] == "m0"
    assert engine.count() == 2


def test_what_is_put_again_replaces(filled: Engine, vector: Vector) -> None:
    filled.put([Document("m0", "", "Nothing of before", vector=vector(77))])
    assert filled.count() == 5
    assert ids(filled.by_words(["anarchy"])) == []
    assert ids(filled.by_words(["nothing"])) == ["m0"]
    assert ids(filled.by_words(["even"])) == ["m2", "m4"]
    assert ids(filled.by_vector(vector(77)))[0] == "m0"
    assert filled.by_vector(vector(0))[0].score < 0.99
    assert filled.by_vector(vector(0), Filters(tags=("even",)), 9)[0].id in {"m2", "m4"}


def test_the_same_id_twice_in_one_put_keeps_the_last(engine: Engine, vector: Vector) -> None:
    engine.put([Document("a", "", "first", vector=vector(1)), Document("a", "", "second")])
    assert engine.count() == 1
    assert engine.get(["a"])[0].text == "second"
    assert engine.by_words(["first"]) == []


def test_what_is_removed_is_found_no_more(filled: Engine, vector: Vector) -> None:
    filled.remove(["m2", "nobody", "m2"])
    assert filled.count() == 4
    assert filled.get(["m2"]) == []
    assert filled.by_words(["zurich"]) == []
    assert "m2" not in ids(filled.by_vector(vector(2), limit=9))
    assert [name for name, _ in filled.vectors()] == ["m0", "m1", "m3", "m4"]


def test_strength_changes_alone(filled: Engine, documents: list[Document]) -> None:
    filled.set_strength({"m1": 0.25, "nobody": 3.0})
    assert filled.get(["m1"]) == [replace(documents[1], strength=0.25)]
    assert filled.get(["m0"])[0].strength == 1.0
    assert filled.count() == 5


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), {0, 1, 2, 3, 4}),
        (Filters(since=2000.0), {2, 3, 4}),
        (Filters(until=2000.0), {0, 1, 2}),
        (Filters(since=1000.5, until=3000.0), {2, 3}),
        (Filters(sources=("alice",)), {1, 3}),
        (Filters(sources=("alice", "bob", "eve")), {0, 1, 2, 3, 4}),
        (Filters(sources=("eve",)), set()),
        (Filters(tags=("even",)), {0, 2, 4}),
        (Filters(tags=("even", "all")), {0, 2, 4}),
        (Filters(tags=("even", "odd")), set()),
        (Filters(exclude=frozenset({"m0", "m4", "nobody"})), {1, 2, 3}),
        (Filters(since=1.0, sources=("bob",), tags=("all",), exclude=frozenset({"m4"})), {2}),
    ],
)
def test_filters_hold_for_words_and_vectors(
    filled: Engine, vector: Vector, filters: Filters, expected: set[int]
) -> None:
    wanted = {f"m{n}" for n in expected}
    assert set(ids(filled.by_words(["note"], filters, 9))) == wanted
    assert set(ids(filled.by_vector(vector(3), filters, 9))) == wanted


def test_a_limit_keeps_the_best(filled: Engine, vector: Vector) -> None:
    every = filled.by_vector(vector(9), limit=5)
    for limit in range(6):
        assert filled.by_vector(vector(9), limit=limit) == every[:limit]
    words = filled.by_words(["operator", "quality", "anarchy", "night"], limit=5)
    for limit in range(6):
        assert (
            filled.by_words(["operator", "quality", "anarchy", "night"], limit=limit)
            == (words[:limit])
        )


def test_what_is_equal_comes_in_the_order_of_ids(engine: Engine, vector: Vector) -> None:
    same = [Document(name, "", "the same text", vector=vector(1)) for name in "dbeac"]
    engine.put(same)
    assert ids(engine.by_words(["same"], limit=3)) == ["a", "b", "c"]
    assert ids(engine.by_vector(vector(1), limit=3)) == ["a", "b", "c"]


def test_vectors_come_in_the_order_of_ids(filled: Engine, vector: Vector) -> None:
    assert [name for name, _ in filled.vectors()] == [f"m{n}" for n in range(5)]
    chosen = dict(filled.vectors(["m3", "nobody", "m1"]))
    assert list(chosen) == ["m1", "m3"]
    assert np.allclose(chosen["m3"], vector(3), atol=1e-6)


def test_a_wrong_vector_is_refused_and_changes_nothing(filled: Engine, vector: Vector) -> None:
    for bad in (np.ones(3, np.float32), vector(1) * 2, vector(1) * np.float32(np.nan)):
        with pytest.raises(EngineError, match="vector"):
            filled.put([Document("new", "", "x"), Document("m0", "", "x", vector=bad)])
        with pytest.raises(EngineError, match="vector"):
            filled.by_vector(bad)
    assert filled.count() == 5
    assert filled.get(["new"]) == []
    assert ids(filled.by_words(["anarchy"])) == ["m0"]


def test_cleared_it_is_empty_and_usable(filled: Engine, documents: list[Document]) -> None:
    filled.clear()
    assert filled.count() == 0
    assert filled.by_words(["note"]) == []
    assert list(filled.vectors()) == []
    filled.put(documents[:1])
    assert ids(filled.by_words(["note"])) == ["m0"]


def test_odd_texts_and_ids_survive(engine: Engine, vector: Vector) -> None:
    odd = Document(
        "sessions/main/ünï 'x' \"y\"; --.md",
        "",
        "line\nline\x00 end 漢字 🙂 " + "long " * 20_000,
        source="a'b",
        tags=('q"uote', "percent%", "under_score", "komma,"),
        created=-5.5,
        strength=0.0,
        vector=vector(1),
    )
    engine.put([odd])
    assert engine.get([odd.id]) == [odd]
    assert ids(engine.by_words(["漢字"])) == [odd.id]
    assert ids(engine.by_vector(vector(1), Filters(tags=odd.tags, sources=("a'b",)))) == [odd.id]
