"""What the tests of the Nix code share: an evaluator, and a copy of the tree to change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meso_host import nix
from meso_services.runtime import process

TOP = Path(__file__).resolve().parents[2]
Evaluate = Callable[[str], Any]


class NixError(Exception):
    """What Nix said when it refused."""


def evaluated(expression: str, *options: str) -> Any:
    """The value of a Nix expression; raises NixError with Nix's message."""
    argv = ["nix-instantiate", "--eval", "--strict", "--json", *options, "--expr", expression]
    try:
        return json.loads(process.run(argv, env=nix.environment()).stdout)
    except process.CommandError as error:
        raise NixError(error.output) from error


@pytest.fixture
def evaluate() -> Evaluate:
    """Evaluates a Nix expression to a Python value."""
    return evaluated


def copy_tree(to: Path) -> Path:
    """The repository's files, tracked and new, without what git ignores."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = process.run(words, cwd=TOP).stdout
    for name in filter(None, listed.split("\0")):
        source, target = TOP / name, to / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return to


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository in another directory, free to change."""
    return copy_tree(tmp_path / "elsewhere")


def derivation(top: Path, name: str, part: str = "image") -> str:
    """The derivation's path of a part of an appliance. Raises NixError."""
    argv = ["nix-instantiate", str(top / "images"), "--argstr", "name", name, "-A", part]
    try:
        return process.run(argv, env=nix.environment()).stdout.strip()
    except process.CommandError as error:
        raise NixError(error.output) from error
