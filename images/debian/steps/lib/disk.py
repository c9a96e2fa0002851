"""Copying into files that are mostly holes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def _extents(source: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what is not a hole."""
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError:  # only a hole is left
            return
        at = os.lseek(source, start, os.SEEK_HOLE)
        yield start, at


def copy_into(source: Path, target: Path, offset: int = 0) -> None:
    """Copy a file's data to a place in another that has only holes there."""
    with source.open("rb") as start, target.open("r+b") as goal:
        for at, end in _extents(start.fileno(), source.stat().st_size):
            done = at
            while done < end:
                done += os.copy_file_range(
                    start.fileno(), goal.fileno(), end - done, done, offset + done
                )
