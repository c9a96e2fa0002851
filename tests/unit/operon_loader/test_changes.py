"""A change of the instance's operons is whole or absent, and can be undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_services.operon_loader import changes
from meso_services.runtime import durable

OLD, NEW = {"OPERON.md": b"old", "deep/x": b"1"}, {"OPERON.md": b"new"}


def tree(place: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and ".history" not in path.parts
    }


def test_add_replace_remove_and_each_undone(tmp_path: Path) -> None:
    changes.apply(tmp_path, "a", "a", OLD, "add a")
    assert tree(tmp_path) == {"a/OPERON.md": b"old", "a/deep/x": b"1"}
    changes.apply(tmp_path, "a", "a", NEW, "update a")
    assert tree(tmp_path) == {"a/OPERON.md": b"new"}
    changes.apply(tmp_path, "a", "a", None, "remove a")
    assert tree(tmp_path) == {}
    for expected in ({"a/OPERON.md": b"new"}, {"a/OPERON.md": b"old", "a/deep/x": b"1"}, {}):
        last = changes.last(tmp_path)
        assert last is not None
        changes.undo(tmp_path, last)
        assert tree(tmp_path) == expected
    assert changes.last(tmp_path) is None


def test_a_single_file_can_be_changed_too(tmp_path: Path) -> None:
    change = changes.apply(tmp_path, "a", ".lazy/a.json", {"": b"{}"}, "approve a")
    assert tree(tmp_path) == {".lazy/a.json": b"{}"}
    changes.undo(tmp_path, change)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_a_crash_leaves_the_old_or_the_new_whole(
    tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes.apply(tmp_path, "a", "a", OLD, "add a")
    count = 0

    def failing(name: str) -> None:
        real = getattr(durable, name)

        def stand_in(*arguments: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count == stop_at:
                raise KeyboardInterrupt
            return real(*arguments, **more)

        monkeypatch.setattr(durable, name, stand_in)

    for name in ("write", "move", "flush_directory"):
        failing(name)
    try:
        changes.apply(tmp_path, "a", "a", NEW, "update a")
    except KeyboardInterrupt:
        monkeypatch.undo()
    changes.recover(tmp_path)
    assert tree(tmp_path) in (
        {"a/OPERON.md": b"old", "a/deep/x": b"1"},
        {"a/OPERON.md": b"new"},
    )
    assert all(change.state == "done" for change in changes.history(tmp_path))


def test_the_history_is_bounded(tmp_path: Path) -> None:
    for number in range(changes.KEPT + 5):
        changes.apply(tmp_path, "a", "a", {"OPERON.md": str(number).encode()}, "update a")
    assert len(changes.history(tmp_path)) <= changes.KEPT
