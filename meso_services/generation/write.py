"""Renders and writes a generation's directory, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from meso_services.config.appliance import Appliance
from meso_services.config.render import as_json, render
from meso_services.generation.genome import read_genome
from meso_services.generation.manifest import Label, manifest

# Present even when empty: a reader need not ask.
DIRECTORIES = (
    "genome",
    "zooids",
    "operons",
    "policy",
    "config",
    "units.d",
    "host/network",
    "host/ssh/authorized_keys",
)


def generation(appliance: Appliance, genome: Path, label: Label) -> dict[str, bytes]:
    """Every file of the generation by its path. Raises GenomeError."""
    identity, files = read_genome(genome)
    files |= {path: text.encode() for path, text in render(appliance).items()}
    record = manifest(appliance, identity, files, label)
    return files | {"manifest.json": as_json(record).encode()}


def write(files: dict[str, bytes], out: Path, epoch: int) -> None:
    """Write `files` below `out`, which must not exist yet. Raises OSError.

    Modes and times are fixed, so that equal inputs give equal directories.
    """
    if out.exists() or out.is_symlink():
        raise FileExistsError(17, "exists already; remove it or give another --out", str(out))
    # The name has no dot in front: the Nix store refuses such names.
    partial = Path(tempfile.mkdtemp(prefix=f"{out.name.lstrip('.')}-partial-", dir=out.parent))
    try:
        _fill(partial, files)
        _settle(partial, epoch)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _fill(root: Path, files: dict[str, bytes]) -> None:
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _settle(root: Path, epoch: int) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            path = Path(folder, name)
            path.chmod(0o644)
            os.utime(path, (epoch, epoch))
        Path(folder).chmod(0o755)
        os.utime(folder, (epoch, epoch))
