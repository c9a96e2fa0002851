"""Requirements come along or nothing does; a cycle and a missing one are refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.genome.match import Matcher
from meso_services.genome.models import Operon, OperonHead, OperonTests, Problem, Triggers
from meso_services.genome.requires import sound

TESTS = OperonTests(loads=("a", "b", "c"), does_not_load=("d", "e", "f"))


def operon(name: str, *requires: str, tokens: int = 10, version: str = "v2") -> Operon:
    head = OperonHead(
        name=name,
        version=version,
        description="For a test",
        budget_tokens=100,
        triggers=Triggers(words=(f"word{name}",)),
        requires=requires,
    )
    return Operon(head, "text", tokens, TESTS)


def names(operons: list[Operon], text: str, budget: int = 1000) -> list[str]:
    return [c.operon.head.name for c in Matcher(operons).match(text, budget).loaded]


def test_what_is_required_loads_first_and_says_for_whom() -> None:
    operons = [operon("a", "b"), operon("b", "c"), operon("c")]
    match = Matcher(operons).match("worda", 1000)
    assert [c.operon.head.name for c in match.loaded] == ["c", "b", "a"]
    assert [(r.kind, r.trigger) for r in match.loaded[0].reasons] == [("required", "a")]
    assert match.tokens == 30


def test_what_does_not_fit_with_its_requirements_is_left_out_whole() -> None:
    operons = [operon("a", "b"), operon("b"), operon("z", tokens=5)]
    match = Matcher(operons).match("worda wordz", 15)
    assert [c.operon.head.name for c in match.loaded] == ["z"]
    assert [(c.operon.head.name, c.note) for c in match.left_out] == [
        ("a", "needs 20 tokens (with b), 10 are left")
    ]


@pytest.mark.parametrize(
    ("operons", "left", "problem"),
    [
        ([operon("a", "a"), operon("b")], ["b"], "requires itself: a → a"),
        ([operon("a", "b"), operon("b", "a"), operon("c")], ["c"], "a → b → a"),
        ([operon("a", "b"), operon("b", "c"), operon("c", "b")], [], "requires 'b', which is not"),
        ([operon("a", "none"), operon("b")], ["b"], "requires 'none', which is not loaded"),
        ([operon("a", "b>=v3"), operon("b")], ["b"], "requires 'b' from v3 on, but v2 is there"),
        ([operon("a", "b>=v2"), operon("b")], ["a", "b"], ""),
    ],
)
def test_cycles_and_missing_ones(operons: list[Operon], left: list[str], problem: str) -> None:
    problems: list[Problem] = []
    assert [o.head.name for o in sound(operons, problems)] == left
    assert problem in "\n".join(map(str, problems))


GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3))


@settings(max_examples=200, deadline=None)
@given(GRAPHS, st.integers(0, 70))
def test_any_graph_ends_and_what_loads_is_complete_and_fits(
    graph: dict[str, list[str]], budget: int
) -> None:
    problems: list[Problem] = []
    kept = sound([operon(name, *needs) for name, needs in sorted(graph.items())], problems)
    match = Matcher(kept).match(" ".join(f"word{name}" for name in graph), budget)
    order = [c.operon.head.name for c in match.loaded]
    for choice in match.loaded:
        before = order[: order.index(choice.operon.head.name)]
        assert set(choice.operon.head.requires) <= set(before)
    assert match.tokens == 10 * len(order) <= max(budget, 0)
    # Nobody drops out unsaid.
    assert set(order) | {c.operon.head.name for c in match.left_out} == {o.head.name for o in kept}


def test_a_chain_of_a_thousand_is_no_matter() -> None:
    chain = [operon(f"n{i}", *([f"n{i + 1}"] if i < 999 else [])) for i in range(1000)]
    assert len(names(chain, "wordn0", 10_000)) == 1000
