"""Generation 0: the operator's file and genome, validated and rendered by our own code."""

from __future__ import annotations

import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

from lib.step import EPOCH, read_spec


@dataclass(frozen=True)
class Spec:
    """`libraries` are directories of Python packages, ours first; `config` is NAME's TOML file."""

    name: str
    libraries: list[str]
    config: str
    genome: str


def main() -> None:
    """Runs `python -m meso_services.generation`, which makes the output directory."""
    spec = read_spec(Spec)
    sys.path[:0] = spec.libraries
    sys.argv = ["meso_services.generation", "--config", spec.config, "--genome", spec.genome]
    sys.argv += ["--name", spec.name, "--out", os.environ["out"], "--epoch", str(EPOCH)]
    os.chdir(Path(os.environ["NIX_BUILD_TOP"]))
    runpy.run_module("meso_services.generation", run_name="__main__", alter_sys=True)
