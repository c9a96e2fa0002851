"""A body that is read once and changed without touching any other byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.document import read
from meso_services.runtime.errors import MesoError

KEYS = st.text(max_size=6).filter(lambda key: key != "model")
BODIES = st.dictionaries(KEYS, st.none() | st.integers() | st.text() | st.lists(st.text()))


@given(BODIES, st.sampled_from([None, 1, 3]), st.booleans(), st.text(max_size=8))
def test_only_the_models_name_changes(
    body: dict[str, Any], indent: int | None, ascii_only: bool, name: str
) -> None:
    whole = {"model": "old", **body}
    raw = json.dumps(whole, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(MesoError):
            read(raw)
        return
    document = read(raw)
    assert document.keys == json.loads(raw)
    changed = document.with_values({"model": name, "absent": 1})
    assert changed == raw.replace(b'"old"', json.dumps(name).encode(), 1)
    assert document.with_values({}) == raw


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]", b"{}x", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1 "b":2}', b"\xff"),
        *(b'{"a":' + b"[" * 100_000, b"3", b'{"a":tru}', b"{,}", b'{"a" 1}', "{}".encode("utf-16")),
        b'{"model": "a", "model": "b"}',
        b'{"metadata": 1, "m\\u0065tadata": 2}',
    ],
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(MesoError) as caught:
        read(raw)
    assert caught.value.status == 400
