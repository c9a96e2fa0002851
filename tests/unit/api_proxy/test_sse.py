"""Cutting a stream of bytes into events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.translate import sse


@given(
    st.lists(st.sampled_from([b"data: a", b"\n", b"\r", b"\r\n", b"\n\n", b": c", b"x"])),
    st.lists(st.integers(0, 40)),
)
def test_events_do_not_depend_on_how_the_bytes_arrive(pieces: list[bytes], cuts: list[int]) -> None:
    """And no byte is lost or changed."""
    data = b"".join(pieces)
    at_once, split = sse.Splitter(1000), sse.Splitter(1000)
    whole = list(at_once.feed(data))
    found, begin = [], 0
    for cut in sorted(cut for cut in cuts if cut < len(data)):
        found += split.feed(data[begin:cut])
        begin = cut
    found += split.feed(data[begin:])
    assert b"".join(found) + split.rest == data
    assert b"".join(whole) + at_once.rest == data
    # A lone CR that turns out to belong to a CRLF may end an event a byte earlier.
    if b"\r" not in data:
        assert found == whole


def test_an_event_has_a_largest_size() -> None:
    splitter = sse.Splitter(10)
    with pytest.raises(sse.BrokenStreamError):
        list(splitter.feed(b"data: " + b"x" * 20))


@pytest.mark.parametrize("text", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_a_line_ends_only_where_the_standard_says_so(text: str) -> None:
    assert (
        sse.parsed(f'data: "a{text.encode().decode()}b"\n\n'.encode()) if ord(text) > 31 else True
    )
    assert sse.data_of(f"data: a{text}b\n\n".encode()) == f"a{text}b"


def test_data_of_several_lines_is_one_text() -> None:
    assert sse.data_of(b"event: x\ndata: a\ndata:b\n\n") == "a\nb"
    assert sse.data_of(b": only a comment\n\n") is None
