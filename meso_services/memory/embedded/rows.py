"""Vectors on the disk: row n of little-endian float32 for the document with number n.

Rows are only ever written behind the last one that counts, and are durable before the database
says that they count. A hole in the file (a document without a vector) takes no room.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meso_services.memory.engine import EngineDamaged, Floats

# So many rows at once: their scores and copies stay small beside the processor's cache.
BLOCK = 4096


class Rows:
    """The file, mapped. Methods raise OSError and EngineDamaged."""

    def __init__(self, path: Path, dimension: int) -> None:
        """Open or make it."""
        self._dimension = dimension
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        self._path = path
        self._held: Floats = np.zeros((0, dimension), np.float32)

    def close(self) -> None:
        """Close it."""
        self._held = np.zeros((0, self._dimension), np.float32)
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def write(self, numbers: Sequence[int], vectors: Sequence[Floats]) -> None:
        """Write rows; they are on the disk afterwards."""
        size = self._dimension * 4
        for number, vector in zip(numbers, vectors, strict=True):
            data = memoryview(np.ascontiguousarray(vector, "<f4").tobytes())
            at = number * size
            while data:
                written = os.pwrite(self._handle, data, at)
                data, at = data[written:], at + written
        if numbers:
            os.fdatasync(self._handle)

    def erase(self, numbers: Sequence[int]) -> None:
        """Overwrite rows that do not count any more with zeros."""
        inside = os.fstat(self._handle).st_size // (self._dimension * 4)
        zeros = np.zeros(self._dimension, np.float32)
        within = [number for number in numbers if number < inside]
        self.write(within, [zeros] * len(within))

    def view(self, most: int) -> Floats:
        """All rows below `most`, shape (most, dimension), as they are in the file."""
        # Beyond the end of a mapped file lies not an error but a signal: look each time.
        size = os.fstat(self._handle).st_size // (self._dimension * 4)
        if size < most:
            raise EngineDamaged(f"{self._path.name} has {size} rows, wanted are {most}")
        if len(self._held) < most:
            mapped = np.memmap(self._path, "<f4", "r", shape=(size, self._dimension))
            self._held = np.asarray(mapped)  # a plain array: taking a row costs a tenth
        return self._held[:most]


def checksum(vector: Floats) -> int:
    """Of a row's bytes."""
    return zlib.crc32(np.ascontiguousarray(vector, "<f4").data)


def scores(rows: Floats, query: Floats) -> Floats:
    """The products of rows with a unit vector, block by block."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        np.dot(rows[start : start + BLOCK], query, out=found[start : start + BLOCK])
    return found


def chosen_scores(rows: Floats, numbers: NDArray[np.int64], query: Floats) -> Floats:
    """The same for some rows."""
    found = np.empty(len(numbers), np.float32)
    for start in range(0, len(numbers), BLOCK):
        part = numbers[start : start + BLOCK]
        np.dot(rows[part], query, out=found[start : start + BLOCK])
    return found
