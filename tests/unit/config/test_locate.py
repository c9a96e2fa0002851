"""Every place that TOML lets a key stand in is found."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meso_services.config.locate import locate

TEXT = '''\
# comment = 1
a = 1
b.c = "x # y = 2"   # trailing
"d e".'f' = """
not = a key
[not a table]
\\""" still """
g = [
  1, # one
  [2, 3],
  { h = "i]", j = [4] },
]
when = 1979-05-27 07:32:00
[k.l]
m = \'\'\'
n = 1\'\'\'
[[o]]
p = 1
[[o]]
p = 2
[o.q]
r = -1.5e3
'''


def test_each_key_is_where_it_stands() -> None:
    places = locate(TEXT)
    assert places[("a",)] == (2, 1)
    assert places[("b", "c")] == (3, 1)
    assert places[("d e", "f")] == (4, 1)
    assert places[("g", 0)] == (9, 3)
    assert places[("g", 1, 1)] == (10, 7)
    assert places[("g", 2, "j", 0)] == (11, 20)
    assert places[("when",)] == (13, 1)
    assert places[("k", "l", "m")] == (15, 1)
    assert places[("o", 0, "p")] == (18, 1)
    assert places[("o", 1, "p")] == (20, 1)
    assert places[("o", 1, "q", "r")] == (22, 1)
    assert ("not",) not in places
    assert ("n",) not in places


def leaves(value: Any, key: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return {leaf for name, each in value.items() for leaf in leaves(each, (*key, name))}
    if isinstance(value, list):
        inner = {leaf for i, each in enumerate(value) for leaf in leaves(each, (*key, i))}
        return inner | {key}
    return {key}


def test_every_value_of_the_example_has_a_place() -> None:
    assert leaves(tomllib.loads(TEXT)) <= set(locate(TEXT))


WORD = st.text(st.sampled_from("ab-_ .\"'#=[]{}\\\n"), max_size=6)
VALUE = st.recursive(
    st.integers() | st.booleans() | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any) -> str:
    if isinstance(value, str):
        inner = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{inner}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"
    return str(value)


@given(st.dictionaries(WORD, VALUE, max_size=4))
def test_any_document_is_followed_to_its_end(data: dict[str, Any]) -> None:
    text = "".join(f"{written(key)} = {written(value)}\n" for key, value in data.items())
    assert tomllib.loads(text) == data
    assert leaves(data) <= set(locate(text)) | {()}
