"""Thoughts' embeddings on the disk: rows of little-endian float32, row n for thought n."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from meso_services.files.strict_yaml import DocumentError
from meso_services.mind.clustering import Floats

NAME = "thinking/embeddings.f32"


def rows(directory: Path, dimension: int, wanted: Sequence[int]) -> Floats:
    """The vectors of some thoughts, shape (wanted, dimension). Raises DocumentError."""
    if not wanted:
        return np.zeros((0, dimension), np.float32)
    try:
        held = np.memmap(directory / NAME, "<f4", "r").reshape(-1, dimension)
        return np.array(held[np.asarray(wanted)], np.float32)
    except (OSError, ValueError, IndexError) as problem:
        said = f"does not hold {max(wanted) + 1} rows of {dimension} numbers: {problem}"
        raise DocumentError(NAME, "", said) from None


def trim(directory: Path, dimension: int, thoughts: int) -> None:
    """Cut off the rows of thoughts that do not count. Raises DocumentError if some are missing."""
    path, wanted = directory / NAME, thoughts * dimension * 4
    size = path.stat().st_size if path.exists() else 0
    if size < wanted:
        raise DocumentError(NAME, "", f"holds {size} bytes, and {thoughts} thoughts take {wanted}")
    if size > wanted:
        os.truncate(path, wanted)
