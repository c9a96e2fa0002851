"""A crash state is judged by the official programs: whole, repaired by its journal, or broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from meso_host.testing import crash
from meso_services.runtime import process

SESSION = "0f3c"
PATH = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def line(entry: str) -> str:
    return json.dumps({"type": "message", "id": entry, "parentId": None})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """An ext4 file system with one session of two entries and a torn third line."""
    tree = tmp_path / "tree"
    sessions = tree / "meso/sessions/main"
    sessions.mkdir(parents=True)
    header = json.dumps({"type": "session", "id": SESSION})
    text = f"{header}\n{line('a')}\n{line('b')}\n{line('c')[:-3]}"
    (sessions / f"2026_{SESSION}.jsonl").write_text(text)
    file = tmp_path / "state"
    process.run(["mkfs.ext4", "-q", "-d", tree, file, "16M"], env=PATH)
    return file


def test_what_was_acknowledged_is_there(state: Path) -> None:
    assert crash.examine(state, SESSION, ["a", "b"]) == ""


def test_an_entry_that_is_gone_or_torn_is_found_missing(state: Path) -> None:
    assert "1 acknowledged entries are gone, the first is c" in crash.examine(
        state, SESSION, ["a", "c"]
    )


def test_a_session_that_is_gone_is_found_missing(state: Path) -> None:
    assert "0 files" in crash.examine(state, "ffff", ["a"])


def test_a_file_system_that_a_journal_cannot_explain_is_refused(state: Path) -> None:
    process.run(["debugfs", "-w", "-R", f"clri {crash.SESSIONS}", state], env=PATH)
    assert "needs a person" in crash.examine(state, SESSION, [])
