"""Edit and write, in the program that runs inside: what they change, and what they never do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meso_services.tool_executor.inside import changing
from meso_services.tool_executor.inside.opening import Refused

FIXTURE = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(alphabet=st.sampled_from("ab \tü☃\n"), max_size=30)
ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])
CODECS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])


def edit(place: str, request: dict[str, Any]) -> dict[str, Any]:
    return changing.edit(place, request, lambda: None)


def write(place: str, request: dict[str, Any]) -> dict[str, Any]:
    return changing.write(place, request, lambda: None)


def change(place: Path, old: str, new: str, **more: Any) -> dict[str, Any]:
    return edit(str(place), {"path": "f", "old": old, "new": new, **more})


def refused(work: Any, *given: Any, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        work(*given, **more)
    return caught.value.code


@FIXTURE
@given(before=TEXT, after=TEXT, new=TEXT, ending=ENDINGS, codec=CODECS)
# Each argument is one thing that hypothesis chooses.
def test_only_the_one_place_changes_and_encoding_and_line_ending_stay(  # noqa: PLR0917
    tmp_path: Path, before: str, after: str, new: str, ending: str, codec: str
) -> None:
    old = "[OLD\nTEXT]"
    whole = f"{before}{old}{after}\n".replace("\n", ending)
    (tmp_path / "f").write_bytes(whole.encode(codec))
    (tmp_path / "f").chmod(0o640)
    reply = change(tmp_path, old, new + "!")
    expected = f"{before}{new}!{after}\n".replace("\n", ending)
    assert (tmp_path / "f").read_bytes() == expected.encode(codec)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert (reply["replacements"], reply["encoding"]) == (1, codec)


@FIXTURE
@given(text=st.text("ab", min_size=1, max_size=12), old=st.text("ab", min_size=1, max_size=3))
def test_none_or_several_matches_change_nothing(tmp_path: Path, text: str, old: str) -> None:
    (tmp_path / "f").write_text(text)
    places = [i for i in range(len(text)) if text.startswith(old, i)]
    if len(places) == 1:
        change(tmp_path, old, "X")
        assert (tmp_path / "f").read_text() == text.replace(old, "X")
    else:
        code = refused(change, tmp_path, old, "X")
        assert code == ("ambiguous" if places else "no_match")
        assert (tmp_path / "f").read_text() == text
        if places:
            assert change(tmp_path, old, "X", replace_all=True)["replacements"] == text.count(old)
            assert (tmp_path / "f").read_text() == text.replace(old, "X")


@FIXTURE
@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_bytes_that_are_no_text_survive_an_edit(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    raw = (b"." + before + b"=OLD=" + after).replace(b"\0", b"")
    if raw.count(b"=OLD=") != 1 or b"\r" in raw:
        return
    (tmp_path / "f").write_bytes(raw)
    change(tmp_path, "=OLD=", "new")
    assert (tmp_path / "f").read_bytes() == raw.replace(b"=OLD=", b"new")


def test_an_edit_that_is_none_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\0b")
    assert refused(change, tmp_path, "a", "c") == "not_text"
    (tmp_path / "f").write_text("abc")
    assert refused(change, tmp_path, "a", "a") == "no_change"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f"]


def test_write_makes_parents_keeps_the_mode_and_follows_no_link_out(tmp_path: Path) -> None:
    place, outside = tmp_path / "w", tmp_path / "outside"
    place.mkdir()
    outside.mkdir()
    (outside / "f").write_text("theirs")
    made = write(str(place), {"path": "a/b/c.sh", "content": "x"})
    assert made["created"]
    (place / "a/b/c.sh").chmod(0o755)
    assert not write(str(place), {"path": "a/b/c.sh", "content": "y"})["created"]
    assert (place / "a/b/c.sh").stat().st_mode & 0o777 == 0o755
    for target in ("../outside", str(outside), "../outside/f"):
        (place / "link").unlink(missing_ok=True)
        (place / "link").symlink_to(target)
        for path in ("link", "link/f", "link/new/g"):
            assert refused(write, str(place), {"path": path, "content": "z"}) == "path_escape"
    assert refused(write, str(place), {"path": "../x", "content": "z"}) == "path_escape"
    assert (
        refused(write, str(place), {"path": "a/b/c.sh", "content": "z", "create_only": True})
        == "exists"
    )
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("f", "theirs")]


def test_a_file_with_two_names_is_replaced_under_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    os.link(tmp_path / "f", tmp_path / "other")
    write(str(tmp_path), {"path": "f", "content": "new"})
    assert (tmp_path / "other").read_text() == "old"


def test_a_path_that_leads_elsewhere_by_now_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "f").symlink_to("secret")
    request = {"path": "f", "old": "s", "new": "t", "expected": "f"}
    assert refused(edit, str(tmp_path), request) == "changed"


def test_nothing_is_seen_before_the_word_to_go_and_a_no_leaves_no_trace(tmp_path: Path) -> None:
    """New directories neither: they are an effect, too."""
    (tmp_path / "f").write_text("old")

    def no() -> None:
        assert (tmp_path / "f").read_text() == "old" and not (tmp_path / "a").exists()
        raise Refused("not_recorded", "no")

    asked = [
        (changing.edit, {"path": "f", "old": "old", "new": "new"}),
        (changing.write, {"path": "f", "content": "new"}),
        (changing.write, {"path": "g", "content": "new", "create_only": True}),
        (changing.write, {"path": "a/b/c", "content": "new"}),
    ]
    for work, request in asked:
        assert refused(work, str(tmp_path), request, no) == "not_recorded"
        assert [p.name for p in tmp_path.iterdir()] == ["f"]
        assert (tmp_path / "f").read_text() == "old"


def test_a_file_of_mixed_line_endings_is_edited_as_it_stands_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\r\nb\nc\r\n")
    with pytest.raises(Refused, match="lines end in several ways"):
        change(tmp_path, "a\nb", "x")
    change(tmp_path, "a\r\nb\n", "x\n")
    assert (tmp_path / "f").read_bytes() == b"x\nc\r\n"


def test_a_file_in_the_middle_of_a_path_is_named_as_the_reason(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(Refused, match="no directory"):
        write(str(tmp_path), {"path": "f/g", "content": "y"})
    assert (tmp_path / "f").read_text() == "x"
