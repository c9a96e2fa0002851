"""Local edits of zooids live through updates; a contradiction is shown, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from meso_services.operon_loader import zooids
from meso_services.operon_loader.zooids import deploy
from meso_services.runtime import durable

NAME = "00-a.md"
LINES = ("Be kind.", "Be brief.", "Be exact.", "Ask once.", "Then act.")


def text(*lines: str, version: str = "v1") -> bytes:
    head = f"---\nname: 00-a\nversion: {version}\ndescription: Test\nbudget_tokens: 60\n---\n"
    return (head + "".join(f"{line}\n" for line in lines or LINES)).encode()


OLD = text()
NEW = text(*LINES[:4], "Then act and report.", version="v2")
EDIT = OLD.replace(b"Be kind.", b"Be kind to cats.")
BOTH = NEW.replace(b"Be kind.", b"Be kind to cats.")
CLASH = OLD.replace(b"Then act.", b"Then wait.")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    deploy(tmp_path, {NAME: OLD})
    return tmp_path


def states(found: zooids.Zooids) -> list[tuple[str, str]]:
    return [(copy.file, copy.state) for copy in found.copies]


def kept(place: Path) -> set[bytes]:
    return {path.read_bytes() for path in (place / ".old").iterdir()}


def test_a_first_deployment_copies_and_an_update_without_edits_replaces(place: Path) -> None:
    assert (place / NAME).read_bytes() == OLD
    found = deploy(place, {NAME: NEW})
    assert states(found) == [(NAME, "deployed")]
    assert (place / NAME).read_bytes() == NEW
    assert kept(place) == {OLD}


def test_an_edit_lives_through_an_update_and_back(place: Path) -> None:
    (place / NAME).write_bytes(EDIT)
    assert states(deploy(place, {NAME: OLD})) == [(NAME, "edited")]
    assert deploy(place, {NAME: NEW}).effective() == {NAME: BOTH}
    assert EDIT in kept(place)
    assert deploy(place, {NAME: OLD}).effective() == {NAME: EDIT}


def test_a_contradiction_keeps_the_edit_in_force_until_it_is_resolved(place: Path) -> None:
    (place / NAME).write_bytes(CLASH)
    for _ in range(2):
        found = deploy(place, {NAME: NEW})
        assert states(found) == [(NAME, "conflict")]
        assert found.effective() == {NAME: CLASH}
    (copy,) = found.conflicts()
    assert [(h.mine, h.theirs) for h in copy.hunks] == [("Then wait.\n", "Then act and report.\n")]
    zooids.put(place, copy, copy.theirs)
    assert states(deploy(place, {NAME: NEW})) == [(NAME, "deployed")]
    assert CLASH in kept(place)


@pytest.mark.parametrize(
    ("mine", "theirs", "state", "effective"),
    [
        (OLD, None, [], None),
        (EDIT, None, [(NAME, "conflict")], EDIT),
        (None, NEW, [(NAME, "conflict")], None),
        (None, OLD, [(NAME, "removed")], None),
        (None, None, [], None),
        (NEW, NEW, [(NAME, "deployed")], NEW),
    ],
)
def test_removals(
    place: Path,
    mine: bytes | None,
    theirs: bytes | None,
    state: list[tuple[str, str]],
    effective: bytes | None,
) -> None:
    if mine is None:
        (place / NAME).unlink()
    else:
        (place / NAME).write_bytes(mine)
    found = deploy(place, {} if theirs is None else {NAME: theirs})
    assert (states(found), found.effective().get(NAME)) == (state, effective)


def test_a_merge_that_would_be_no_zooid_is_a_conflict(place: Path) -> None:
    long = b"A line of some length that is added here.\n" * 3
    (place / NAME).write_bytes(OLD.replace(b"Be kind.\n", long))
    found = deploy(place, {NAME: OLD + long})
    assert found.conflicts()[0].reason.startswith("merged, it would not be a zooid: the text has")


def test_a_zooid_of_the_instance_alone_stays(place: Path) -> None:
    own = text().replace(b"00-a", b"90-b")
    (place / "90-b.md").write_bytes(own)
    assert states(deploy(place, {NAME: NEW})) == [(NAME, "deployed"), ("90-b.md", "added")]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.symlink_to("/etc/passwd"),
        os.mkfifo,
        lambda p: p.mkdir(),
        lambda p: p.write_bytes(b"x" * (1 << 21)),
    ],
)
def test_what_is_no_file_is_named_and_the_deployed_text_stands_in(
    place: Path, make: Callable[[Path], object]
) -> None:
    (place / NAME).unlink()
    make(place / NAME)
    found = deploy(place, {NAME: OLD})
    assert "no regular file" in str(found.problems[0])
    assert found.effective() == {NAME: b""}


def test_stray_files_and_names_with_newlines_are_named(place: Path) -> None:
    (place / "a\nb.md").write_text("x")
    (place / "notes.txt").write_text("x")
    found = deploy(place, {NAME: OLD})
    assert ["a\\nb" in str(p) or "notes" in str(p) for p in found.problems] == [True, True]
    assert all("\n" not in str(problem) for problem in found.problems)


@pytest.mark.parametrize("stop_at", range(1, 8))
def test_a_crash_anywhere_ends_in_the_same_state(
    place: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / NAME).write_bytes(EDIT)
    count, write = 0, durable.write

    def failing(path: Path, data: bytes, **more: bool) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            raise KeyboardInterrupt
        write(path, data, **more)

    monkeypatch.setattr(durable, "write", failing)
    try:
        deploy(place, {NAME: NEW})
    except KeyboardInterrupt:
        monkeypatch.setattr(durable, "write", write)
    assert deploy(place, {NAME: NEW}).effective() == {NAME: BOTH}
    assert EDIT in kept(place)
