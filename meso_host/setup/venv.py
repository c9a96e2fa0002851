"""The Python environment in `.meso/venv`: locked packages with hashes, made once.

Its stamp is written last and holds the hash of each requirements file that is
installed, so that a half-made environment is never taken for a whole one, and a
second start compares a hash and does nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError
from meso_services.runtime import process

STAMP = "meso-stamp.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment at `path` for the tree at `top`."""

    path: Path
    top: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python3"

    def requirements(self, kind: str) -> Path:
        """The locked file: `kind` is `runtime` or `dev`, and `dev` contains `runtime`."""
        return self.top / "requirements" / f"{kind}.txt"

    def installed(self, kind: str) -> bool:
        """True when exactly the locked packages of `kind` are there."""
        stamp = self._stamp()
        if stamp.get("path") != str(self.path) or not self.python.exists():
            return False
        kinds = {"runtime": ("runtime", "dev"), "dev": ("dev",)}[kind]
        return any(stamp.get(k) == self._hash(k) for k in kinds)

    def install(self, kind: str, note: Callable[[str], None]) -> None:
        """Make the environment if it is not there, and install `kind`. Raises HostError."""
        stamp = self._stamp()
        (self.path / STAMP).unlink(missing_ok=True)
        if stamp.get("path") != str(self.path) or not self.python.exists():
            self._create(note)
            stamp = {"path": str(self.path)}
        self._pip(self.requirements(kind), note)
        self._write({**stamp, kind: self._hash(kind)})

    def _create(self, note: Callable[[str], None]) -> None:
        note(f"Python {sys.version_info.major}.{sys.version_info.minor}")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        process.run([sys.executable, "-m", "venv", self.path])
        site = next(self.path.glob("lib/python3*/site-packages"))
        (site / "meso.pth").write_text(f"{self.top}\n", encoding="utf-8")

    def _pip(self, requirements: Path, note: Callable[[str], None]) -> None:
        wanted = count(requirements)
        seen = 0

        def line(text: str) -> None:
            nonlocal seen
            seen += text.startswith("Collecting ")
            note(f"{min(seen, wanted)} of {wanted} packages")

        # The file is complete: it has what its packages need, less what packages.toml omits.
        options = ["--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        pip = [str(self.python), "-m", "pip", "install"]
        argv = [*pip, *options, "-r", str(requirements)]
        try:
            process.follow(argv, line, env={"PYTHONPATH": None})
        except process.CommandError as error:
            raise HostError(
                "setup.pip",
                f"the Python packages of {requirements} could not be installed: {error}",
                remedy="Is the package index reachable (pip config list)? A second try goes on "
                "where this one stopped.",
            ) from error

    def _stamp(self) -> Mapping[str, str]:
        try:
            read = json.loads((self.path / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def _write(self, stamp: Mapping[str, str]) -> None:
        half = self.path / f"{STAMP}.new"
        half.write_text(json.dumps(dict(stamp), indent=2), encoding="utf-8")
        half.replace(self.path / STAMP)

    def _hash(self, kind: str) -> str:
        file = self.requirements(kind)
        if not file.is_file():
            raise HostError(
                "setup.requirements",
                f"{file} is missing.",
                remedy="It belongs to the tree: `git checkout requirements`.",
            )
        return hashlib.sha256(file.read_bytes()).hexdigest()


def count(requirements: Path) -> int:
    """How many packages a locked file names."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return sum("==" in line and not line.startswith(("#", " ")) for line in lines)


def replace_process(python: Path, argv: list[str]) -> None:
    """Become `python -m meso_cli ARGV`; does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [str(python), "-m", "meso_cli", *argv])  # noqa: S606 (it is the purpose)
