"""What each part needs installed is what its place has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


def loaded(module: str) -> set[str]:
    """Top-level packages in memory after `module` was imported."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def third_party(packages: set[str]) -> set[str]:
    known = set(sys.stdlib_module_names) | set(sys.builtin_module_names) | {"meso_services"}
    # A virtual environment's start-up files are not imports of ours.
    site = loaded("sys")
    return {name for name in packages - known - site if not name.startswith("_")}


def test_the_image_build_needs_only_pydantic_and_yaml() -> None:
    """The sandbox has python3.13, pydantic and what it brings, and YAML for the genome."""
    brought = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions"}
    brought |= {"typing_inspection", "yaml", "cython_runtime"}
    assert third_party(loaded("meso_services.generation.__main__")) <= brought


def test_the_activator_needs_only_the_standard_library() -> None:
    """It is on the critical path of every boot."""
    found = loaded("meso_services.activator.__main__")
    assert third_party(found) == set()
    assert not {"asyncio", "ssl", "tomllib"} & found
