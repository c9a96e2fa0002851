"""What counts as the same fact, as its opposite, and as another fact."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.memory_manager.comparing import contradiction, keys, said, same

SAME = [
    ("The operator prefers metric units.", "the operator PREFERS metric units!"),
    ("It is the case that the rent is 500 euros.", "It is the case that the rent is 500 euros"),
    ("Der Server steht im Keller.", "der Server steht im Keller"),
    ("Prefers the café.", "Prefers the cafe\u0301."),
]
OPPOSITE = [
    ("The server is in the cellar.", "The server is in the attic."),
    ("The operator likes tea", "The operator does not like tea"),
    ("The operator likes tea", "The operator doesn't like tea"),
    ("The backup runs at 3:00", "The backup runs at 4:00"),
    ("port: 8080", "port: 9090"),
    ("deployment-target=VPS", "deployment-target=laptop"),
    ("Logging is enabled", "Logging is disabled"),
    ("Logging isn't enabled", "Logging is enabled"),
    ("The rent costs 500 euros", "The rent costs 600 euros"),
    ("Room 12 has 3 windows", "Room 12 has 4 windows"),
    ("Always deploy on Fridays", "Never deploy on Fridays"),
    ("Der Server ist im Keller", "Der Server ist nicht im Keller"),
]
APART = [
    ("Server 1 is in the cellar", "Server 2 is in the cellar"),
    ("The kettle is red", "The kettle is old"),
    ("The operator likes tea", "The operator likes coffee"),
    ("Alice beats Bob", "Bob beats Alice"),
    ("Room 12 has 3 windows", "Room 13 has 3 windows"),
    ("The cat is in the house", "The dog is in the house"),
    ("", "The dog is in the house"),
    ("...", "!!!"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: str, other: str) -> None:
    a, b = said(one), said(other)
    assert same(a, b)
    assert keys(a) & keys(b)
    assert not contradiction(a, b)


@pytest.mark.parametrize(("one", "other"), OPPOSITE)
def test_the_opposite(one: str, other: str) -> None:
    a, b = said(one), said(other)
    assert not same(a, b)
    assert contradiction(a, b)
    assert contradiction(b, a)
    assert keys(a) & keys(b)


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_facts(one: str, other: str) -> None:
    a, b = said(one), said(other)
    assert not same(a, b)
    assert not contradiction(a, b)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_can_be_compared_both_ways(one: str, other: str) -> None:
    a, b = said(one), said(other)
    assert same(a, b) == same(b, a)
    assert bool(contradiction(a, b)) == bool(contradiction(b, a))
    assert not contradiction(a, a)
    assert not a.content or same(a, a)
    if same(a, b) and a.tokens == b.tokens:
        assert keys(a) & keys(b)


def test_a_huge_text_takes_little_time() -> None:
    text = said("word " * 200_000 + "end")
    assert len(text.tokens) <= 2001
    assert len(keys(text)) < 100
