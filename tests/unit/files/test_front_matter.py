"""Front matter and text survive a round trip; a broken head is located."""

from __future__ import annotations

import pytest

from meso_services.files.front_matter import join, split
from meso_services.files.strict_yaml import DocumentError


def test_head_and_body_come_back() -> None:
    raw = join({"id": "x", "tags": ["a", "ü"]}, "One line.\n\n---\nA rule above.\n")
    document = split(raw, "f")
    assert document.head == {"id": "x", "tags": ["a", "ü"]}
    assert document.body == "One line.\n\n---\nA rule above.\n"


def test_a_plain_markdown_file_has_no_head() -> None:
    document = split(b"# Title\n\n---\n", "f")
    assert document.head is None
    assert document.body == "# Title\n\n---\n"


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated() -> None:
    document = split(b"\xef\xbb\xbf---\r\nid: x\r\n---\r\nText\r\n", "f")
    assert document.head == {"id": "x"}
    assert document.body == "Text\r\n"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [(b"---\nid: x\n", "not closed"), (b"---\n\xff\n---\n", "not UTF-8 at byte 4")],
)
def test_a_broken_file_is_refused_by_name(raw: bytes, problem: str) -> None:
    with pytest.raises(DocumentError, match=f"memory/a.md: .*{problem}"):
        split(raw, "memory/a.md")
