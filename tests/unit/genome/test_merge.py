"""A three-way merge loses nothing, invents nothing and says where both sides disagree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.genome.merge import three_way

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "end"]), max_size=8).map("".join)
BASE = "one\ntwo\nthree\nfour\nfive\n"


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_a_change_on_one_side_is_taken_as_it_is(base: str, changed: str) -> None:
    for mine, theirs in ((changed, base), (base, changed), (changed, changed)):
        merged = three_way(base, mine, theirs)
        assert (merged.text, merged.conflicts) == (changed, ())


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_both_sides_merge_alike_and_a_conflict_changes_nothing(
    base: str, mine: str, theirs: str
) -> None:
    one, other = three_way(base, mine, theirs), three_way(base, theirs, mine)
    assert bool(one.conflicts) == bool(other.conflicts)
    if one.conflicts:
        assert (one.text, other.text) == (mine, theirs)
    else:
        assert one.text == other.text


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_merging_again_after_a_crash_gives_the_same(base: str, mine: str, theirs: str) -> None:
    merged = three_way(base, mine, theirs)
    if not merged.conflicts:
        again = three_way(base, merged.text, theirs)
        assert again.conflicts or again.text == merged.text


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (BASE.replace("one", "ONE"), BASE.replace("five", "FIVE"), "ONE two three four FIVE"),
        ("two\nthree\nfour\nfive\n", BASE + "six\n", "two three four five six"),
        ("one\ntwo\nnew\nthree\nfour\nfive\n", "one\ntwo\nthree\nfive\n", "one two new three five"),
    ],
)  # fmt: skip
def test_changes_in_different_places_come_together(mine: str, theirs: str, expected: str) -> None:
    merged = three_way(BASE, mine, theirs)
    assert (" ".join(merged.text.split()), merged.conflicts) == (expected, ())


def test_a_contradiction_is_shown_with_its_line_and_all_three_texts() -> None:
    mine, theirs = BASE.replace("three", "3"), BASE.replace("three", "III")
    merged = three_way(BASE, mine, theirs)
    assert merged.text == mine
    assert [(h.line, h.base, h.mine, h.theirs) for h in merged.conflicts] == [
        (3, "three\n", "3\n", "III\n")
    ]


def test_a_text_too_long_to_compare_is_a_conflict_at_once() -> None:
    long = "x\n" * 6000
    assert three_way(long, long + "a\n", "b\n" + long).conflicts
