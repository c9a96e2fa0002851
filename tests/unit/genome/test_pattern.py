"""Patterns match as Python's `re` does, refuse what has no bound, and stay linear."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meso_services.genome.automaton import Automaton
from meso_services.genome.pattern import PatternError, compile_pattern
from meso_services.genome.patterns import Patterns, required_letters

_ATOMS = st.sampled_from(
    ["a", "b", "é", ".", "[a-c]", "[^b]", r"\d", r"\w", r"\W", r"\s", r"\b", r"\B", "^", "$", " "]
)
_REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,3}", "{2,}", "{0,2}"])
_PATTERNS = st.recursive(
    st.tuples(_ATOMS, _REPEATS).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, _REPEATS).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)
_TEXTS = st.text(alphabet="aAbBcé 1_-\n", max_size=12)


def _search(pattern: str, text: str) -> tuple[int, str] | None:
    automaton = Automaton([compile_pattern(pattern)])
    ends = automaton.search(text)
    return (ends[0], automaton.found(text, 0, ends[0])) if ends else None


@settings(max_examples=600, deadline=None)
@given(_PATTERNS, _TEXTS)
def test_a_pattern_matches_exactly_when_python_says_so(pattern: str, text: str) -> None:
    try:
        oracle = re.compile(pattern.replace("$", r"\Z"), re.IGNORECASE)
    except re.error:  # Python repeats no assertion; here it means nothing and does no harm
        assume(False)
    try:
        compile_pattern(pattern)
    except PatternError:
        assert oracle.search("") or "empty" not in pattern
        return
    found = _search(pattern, text)
    assert (found is not None) == (oracle.search(text) is not None)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PATTERNS, min_size=2, max_size=5), _TEXTS)
def test_patterns_together_match_as_each_alone(patterns: list[str], text: str) -> None:
    programs = []
    for pattern in patterns:
        try:
            programs.append(compile_pattern(pattern))
        except PatternError:
            continue
    alone = {i: Automaton([p]).search(text) for i, p in enumerate(programs)}
    together = Automaton(programs).search(text)
    assert together == {i: ends[0] for i, ends in alone.items() if ends}


@settings(max_examples=300, deadline=None)
@given(st.lists(_PATTERNS, min_size=1, max_size=4), _TEXTS)
def test_looking_for_letters_first_passes_nothing_over(patterns: list[str], text: str) -> None:
    programs = []
    for pattern in patterns:
        try:
            programs.append(compile_pattern(pattern))
        except PatternError:
            continue
    assert Patterns(programs).search(text) == Automaton(programs).search(text)


@pytest.mark.parametrize(
    ("pattern", "letters"),
    [
        (r"\babc (of|for) \w+", "abc "),
        ("ab|cd", ""),
        ("a+bc", "bc"),
        ("a?bc", "bc"),
        ("x{2,3}yz", "xx"),
        (r"ab\d{2}CDE", "cde"),
        ("STRASSE|x", ""),
        ("a.b", ""),
    ],
)
def test_the_letters_that_a_match_must_hold(pattern: str, letters: str) -> None:
    assert required_letters(compile_pattern(pattern)) == letters


def test_the_explanation_is_the_text_that_matched() -> None:
    assert _search(r"\b(two|\d+) agents\b", "Use 14 agents.") == (13, "14 agents")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a", "not closed"),
        ("a)", "unbalanced"),
        ("[a", "ends too early"),
        ("*a", "nothing to repeat"),
        ("a**", "repetition of a repetition"),
        ("a{3,1}", "m ≤ n"),
        ("a{999}", "counts from 0 to 256"),
        (r"(a)\1", "not accepted"),
        ("(?=a)", "no look-around"),
        ("(?<!a)b", "no look-around"),
        ("a*", "empty text"),
        ("(a|b*)", "empty text"),
        ("((a{200}){200}){200}", "too large"),
        ("[z-a]", "runs backwards"),
        ("(" * 30 + "a" + ")" * 30, "nested deeper"),
        ("a\\", "ends too early"),
        ("", "empty text"),
    ],
)
def test_what_is_not_in_the_subset_is_refused_with_a_reason(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError, match=re.escape(problem)):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)+b", r"\w*\w*\w*\w*x!", "(a|aa){1,50}b"])
def test_patterns_that_never_end_elsewhere_end_here(pattern: str) -> None:
    automaton = Automaton([compile_pattern(pattern)])
    text = "a" * 60_000
    start = time.perf_counter()
    assert automaton.search(text) == {}
    assert time.perf_counter() - start < 2


def test_states_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern with exponentially many states gives the same answers with a tiny cache."""
    pattern = "a[ab]{12}c"
    text = "abbababbaabbabababbabaabbabbabaabb" * 20 + "c"
    expected = Automaton([compile_pattern(pattern)]).search(text)
    monkeypatch.setattr("meso_services.genome.automaton.MAX_STATES", 7)
    assert Automaton([compile_pattern(pattern)]).search(text) == expected
    assert expected
