"""The merge of two histories does not depend on who merges, and loses no text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.files import front_matter
from meso_services.memory_manager.files import entry_of
from meso_services.memory_manager.journal import line
from meso_services.memory_manager.life import Event
from meso_services.memory_manager.merging import Tree, merge

TEXTS = st.sampled_from(["alpha", "beta", "gamma delta", "epsilon\n\nzeta", "eta"])
TAGS = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3)
NAMES = ("one", "two", "three")


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """A few memories, some of them moved or in the archive, some without front matter."""
    found = {}
    for name in NAMES:
        where = draw(st.sampled_from(["", "2026/", "archive/", "archive/2026/"]))
        if draw(st.booleans()):
            head = {"id": name, "source": draw(st.sampled_from(["x", "y"])), "tags": draw(TAGS)}
            if draw(st.booleans()):
                head["also"] = [{"source": s} for s in draw(TAGS)]
            found[f"{where}{name}.md"] = front_matter.join(head, draw(TEXTS))
    if draw(st.booleans()):
        found["bare.md"] = draw(TEXTS).encode()
    return found


def texts(tree: Tree) -> set[str]:
    return {entry_of(path, raw).content.strip() for path, raw in tree.items()}


@settings(max_examples=150, deadline=None)
@given(trees(), trees(), trees())
def test_both_sides_come_to_the_same(base: Tree, ours: Tree, theirs: Tree) -> None:
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert one.files == other.files
    assert one.conflicts == other.conflicts


@settings(max_examples=150, deadline=None)
@given(trees(), trees(), trees())
def test_a_new_text_is_never_lost(base: Tree, ours: Tree, theirs: Tree) -> None:
    merged = texts(merge(base, ours, theirs).files)
    assert (texts(ours) | texts(theirs)) - texts(base) <= merged


@settings(max_examples=80, deadline=None)
@given(trees(), trees())
def test_what_one_side_did_is_what_comes_out(base: Tree, ours: Tree) -> None:
    assert merge(base, ours, base).files == ours
    assert merge(base, ours, ours).files == ours
    assert merge(ours, ours, ours).files == ours


@settings(max_examples=80, deadline=None)
@given(trees(), trees(), trees())
def test_merging_again_changes_nothing(base: Tree, ours: Tree, theirs: Tree) -> None:
    first = merge(base, ours, theirs).files
    assert merge(ours, ours, first).files == first
    assert merge(theirs, first, theirs).files == first


def test_purged_does_not_come_back() -> None:
    file = {"one.md": front_matter.join({"id": "one"}, "secret")}
    assert merge({}, {}, file, frozenset({"one"})).files == {}


EVENTS = st.builds(
    Event, time=st.integers(0, 10**6).map(float), id=st.text("0123456789abcdef", min_size=16,
    max_size=16), memory=st.sampled_from(NAMES), kind=st.sampled_from(["born", "read"]),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS, unique_by=lambda e: e.id, max_size=8), st.data())
def test_lives_are_joined_whoever_joins_them(events: list[Event], data: st.DataObject) -> None:
    path = ".life/a/2026-01-01.jsonl"
    some = data.draw(st.sets(st.sampled_from(range(len(events))))) if events else set()
    more = data.draw(st.sets(st.sampled_from(range(len(events))))) if events else set()
    one = b"".join(line(events[i]) for i in sorted(some))
    other = b"".join(line(events[i]) for i in sorted(more))
    merged = merge({}, {path: one}, {path: other}).files[path]
    assert merged == merge({}, {path: other}, {path: one}).files[path]
    assert set(merged.splitlines()) == set(one.splitlines()) | set(other.splitlines())
