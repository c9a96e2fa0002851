"""One answer about acceleration for all tests: each asks in a state directory of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meso_host.setup import tree
from meso_host.vm import accel


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with this computer's answer, found by the true probe."""
    directory = tmp_path_factory.mktemp("acceleration")
    before, tree.STATE = tree.STATE, directory
    try:
        accel.choose("aarch64" if tree.processor() == "aarch64" else "x86_64")
    finally:
        tree.STATE = before
    return directory / "acceleration.json"


@pytest.fixture
def state(tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.meso` directory of the test's own that knows the answer already."""
    directory = tmp_path / ".meso"
    directory.mkdir()
    if answers.exists():
        shutil.copy(answers, directory)
    monkeypatch.setattr(tree, "STATE", directory)
    return directory
