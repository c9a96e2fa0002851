"""Files that people write are read without YAML's surprises, and mistakes are located."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.files.strict_yaml import DocumentError, dump, load, load_mapping


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", {"a": "yes"}),
        ("a: 02:30", {"a": "02:30"}),
        ("a: 2026-02-05", {"a": "2026-02-05"}),
        ("a: 0.3", {"a": 0.3}),
        ("a: 12", {"a": 12}),
        ("a: 012", {"a": "012"}),
        ("a: true", {"a": True}),
        ("a: ~", {"a": None}),
        ("a: .nan", {"a": ".nan"}),
        ("", None),
    ],
)
def test_only_plain_types_are_converted(text: str, value: Any) -> None:
    assert load(text, "f") == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "aliases are not accepted"),
        ("a: 1\na: 2", "the key 'a' is given twice (line 2, column 1)"),
        ("a: !!python/object/apply:os.system [id]", "is not accepted"),
        ("a: !!timestamp nonsense", "is not accepted"),
        ("a: [1, 2", "not valid YAML"),
        ("? [a, b]\n: 1", "a key must be a plain word"),
        ("[" * 50 + "]" * 50, "nested deeper than 16 levels"),
        ("a: " + "x" * 300_000, "larger than"),
        ("a: \x07", "not valid YAML"),
    ],
)
def test_traps_are_refused_with_file_and_reason(text: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load(text, "genome/x.yaml")
    assert str(caught.value).startswith("genome/x.yaml: ")
    assert problem in str(caught.value)


def test_a_list_is_not_a_mapping() -> None:
    with pytest.raises(DocumentError, match="key: value"):
        load_mapping("- a\n- b", "f")


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused_never_worse(text: str) -> None:
    try:
        load(text, "f")
    except DocumentError:
        return


_PLAIN = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.one_of(st.booleans(), st.integers(-1000, 1000), st.none(), st.text(max_size=40)),
)


@settings(deadline=None)
@given(_PLAIN)
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert load_mapping(dump(value), "f") == value
