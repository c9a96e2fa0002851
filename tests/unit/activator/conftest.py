"""An appliance's root in a directory, with a factory generation made by the real renderer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meso_services.config.load import loads
from meso_services.generation.manifest import Label
from meso_services.generation.write import generation, write

REPOSITORY = Path(__file__).resolve().parents[3]
OPERATOR_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP3ULGC3HWDUiUrNBwC5H2k8cSXxzJEGRjRqwtoTqqoq ann@reef"
)
OTHER_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZuffvKjXpxOgFv9UAtpzC87yMf1DZ7BXXwGbQdTeVA bob@reef"
)
BASE = """\
schema = 1
hostname = "reef"
board = "vps"
system = "x86_64-linux"
"""


@dataclass
class Machine:
    """A root directory, commands that record how they were called, and the activator."""

    root: Path
    bin: Path

    def flash(self, toml: str = "", users: str = "") -> None:
        """Put generation 0 in place, rendered from the usual keys and these."""
        factory = self.root / "usr/share/meso/factory"
        if factory.exists():
            shutil.rmtree(factory)
        factory.parent.mkdir(parents=True, exist_ok=True)
        genome = self.root.parent / "genome"
        for name in ("zooids", "operons"):
            (genome / name).mkdir(parents=True, exist_ok=True)
        (genome / "STANDING-ORDERS.md").write_text("Serve.\n")
        files = generation(loads(BASE + toml + users), genome, Label("reef", 0, 0))
        write(files, factory, 0)

    def activate(self, *, manager: bool = True, credentials: Path | None = None) -> dict[str, Any]:
        """Run the activator as the unit does; return its account."""
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        env.pop("CREDENTIALS_DIRECTORY", None)
        if credentials:
            env["CREDENTIALS_DIRECTORY"] = str(credentials)
        command = [sys.executable, "-m", "meso_services.activator", "--root", str(self.root)]
        command.append("--manager" if manager else "--no-manager")
        done = subprocess.run(
            command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        self.log = done.stderr
        account: dict[str, Any] = json.loads((self.run / "activation.json").read_text())
        return account

    @property
    def run(self) -> Path:
        return self.root / "run/meso"

    def command(self, name: str, body: str = "") -> None:
        """Put a program in the path that records its arguments and then does `body`."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.bin}/calls\n{body}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """Commands run since the last time this was asked."""
        log = self.bin / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A virtual machine with generation 0 in it; networkd does not run yet."""
    found = Machine(tmp_path / "root", tmp_path / "bin")
    found.bin.mkdir()
    (found.root / "usr/share/zoneinfo/Europe").mkdir(parents=True)
    (found.root / "usr/share/zoneinfo/UTC").touch()
    (found.root / "usr/share/zoneinfo/Europe/Berlin").touch()
    found.command("systemctl", 'case "$*" in *is-active*) exit 3;; esac')
    found.command("networkctl")
    found.command("systemd-detect-virt", "echo kvm")
    found.flash()
    return found
