"""Triggers are deterministic and explained; what does not fit is named, never dropped silently."""

from __future__ import annotations

import time

import pytest

from meso_services.genome.match import Matcher
from meso_services.genome.models import Operon, OperonHead, OperonTests, Triggers, count_tokens
from meso_services.genome.words import WordError, parse_word


def _operon(name: str, *, words: tuple[str, ...] = (), patterns: tuple[str, ...] = ()) -> Operon:
    text = f"Text of {name}."
    head = OperonHead(
        name=name,
        version="v1",
        description="For a test",
        budget_tokens=100,
        triggers=Triggers(words=words, patterns=patterns),
    )
    tests = OperonTests(loads=("a", "b", "c"), does_not_load=("d", "e", "f"))
    return Operon(head, text, count_tokens(text), tests)


def _names(operons: list[Operon], text: str) -> list[str]:
    return [choice.operon.head.name for choice in Matcher(operons).match(text, 1000).loaded]


@pytest.mark.parametrize(
    ("trigger", "text", "loads"),
    [
        ("sub-agent*", "Ask the sub agents.", True),
        ("sub-agent*", "Ask the SUB-AGENT!", True),
        ("sub-agent*", "We sub. Agents leave.", False),
        ("fan out", "fan   out", True),
        ("fan out", "fan it out", False),
        ("delegat*", "undelegated", False),
        ("prüfung", "Die PRÜFUNG beginnt", True),
        ("pru\u0308fung", "Die Prüfung", True),
        ("strasse", "Straße", True),
        ("memory", "memories", False),
    ],
)
def test_words_match_whole_words_in_any_case(trigger: str, text: str, loads: bool) -> None:
    assert bool(_names([_operon("x", words=(trigger,))], text)) is loads


@pytest.mark.parametrize("trigger", ["", "*", "a*", "two  ,words", "x y", "mid*dle", "a" * 9 + "!"])
def test_a_trigger_that_matches_badly_is_refused(trigger: str) -> None:
    with pytest.raises(WordError):
        parse_word(trigger)


def test_every_reason_names_the_trigger_and_what_it_found() -> None:
    operon = _operon("x", words=("delegat*",), patterns=(r"\d+ agents",))
    match = Matcher([operon]).match("I delegated it to 3 agents", 100)
    reasons = [(r.kind, r.trigger, r.found, r.offset) for r in match.loaded[0].reasons]
    assert reasons == [
        ("word", "delegat*", "delegated", 2),
        ("pattern", r"\d+ agents", "3 agents", 18),
    ]


def test_the_budget_keeps_the_better_match_and_names_the_other() -> None:
    weak = _operon("a-weak", words=("alpha",))
    strong = _operon("b-strong", words=("alpha", "beta"))
    match = Matcher([weak, strong]).match("alpha beta", budget=strong.tokens)
    assert [choice.operon.head.name for choice in match.loaded] == ["b-strong"]
    assert [choice.operon.head.name for choice in match.left_out] == ["a-weak"]
    assert match.tokens == strong.tokens


def test_the_order_of_operons_does_not_matter() -> None:
    operons = [_operon(name, words=("alpha",)) for name in ("c", "a", "b")]
    assert _names(operons, "alpha") == _names(operons[::-1], "alpha") == ["a", "b", "c"]


def test_a_thousand_operons_do_not_slow_a_message() -> None:
    operons = [
        _operon(f"o{i}", words=(f"topic{i}", f"sub{i} word*"), patterns=(rf"\bissue {i}\b",))
        for i in range(1000)
    ]
    matcher = Matcher(operons)
    text = "We looked at issue 512 and the topic77 question again. " * 10
    matcher.match(text, 8000)
    start = time.perf_counter()
    match = matcher.match(text, 8000)
    elapsed = time.perf_counter() - start
    assert [choice.operon.head.name for choice in match.loaded] == ["o77", "o512"]
    assert elapsed < 0.05
