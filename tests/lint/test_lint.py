"""The linter, the formatter and the type checker have nothing to say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
STEPS = "images/debian/steps"  # run by the image's own Python
FOLDER = Path(sys.executable).parent

CHECKS = {
    "ruff check": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--check", "--quiet", "."],
    "mypy": ["mypy", "--no-error-summary"],
    "mypy of the steps": ["mypy", "--no-error-summary", "--python-version=3.13", STEPS],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", CHECKS)
def test_nothing_to_say(check: str) -> None:
    program, *words = CHECKS[check]
    found = shutil.which(program, path=str(FOLDER)) or shutil.which(program)
    assert found, f"{program} is not installed: `./meso setup test` brings it"
    done = subprocess.run([found, *words], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
