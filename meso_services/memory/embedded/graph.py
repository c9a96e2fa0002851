"""An approximate index above a size: a graph of neighbours (HNSW) by the library voyager.

It only ever proposes candidates; the rows themselves say how near they are. So it may be behind,
lack documents or be gone altogether: what it does not cover is looked at one by one.
"""

from __future__ import annotations

import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meso_services.memory.engine import Floats
from meso_services.runtime import durable

Numbers = NDArray[np.int64]

if TYPE_CHECKING:
    import voyager

LINKS = 16
EFFORT_BUILDING = 128
EFFORT_SEARCHING = 128
# The library keeps a number in eight bits from -1 to 1, and those of unit vectors in hundreds
# of dimensions are small: they are stretched to this many times their typical size.
_SPAN = 4.0
_CHUNK = 1 << 22


@dataclass(slots=True)
class Graph:
    """`until`: documents with a number below it are in it, those that are removed too."""

    index: voyager.Index
    dimension: int
    until: int = 0

    @classmethod
    def empty(cls, dimension: int) -> Graph:
        """A new one."""
        import voyager  # noqa: PLC0415 (only who has so many documents needs it)

        made = voyager.Index(
            voyager.Space.InnerProduct,
            num_dimensions=dimension,
            M=LINKS,
            ef_construction=EFFORT_BUILDING,
            storage_data_type=voyager.StorageDataType.Float8,
        )
        return cls(made, dimension)

    def add(self, numbers: Numbers, vectors: Floats) -> None:
        """Take in rows by their numbers, which it must not have yet."""
        self.index.add_items(self._stretched(vectors), numbers.tolist(), num_threads=1)

    def nearest(self, vector: Floats, count: int) -> Numbers:
        """The numbers of about the `count` nearest rows."""
        import voyager  # noqa: PLC0415

        count = min(count, len(self.index))
        if not count:
            return np.zeros(0, np.int64)
        effort = max(EFFORT_SEARCHING, count + count // 2)
        try:
            numbers, _ = self.index.query(self._stretched(vector), count, 1, effort)
        except voyager.RecallError:  # it cannot reach so many: most of what is near was removed
            return np.zeros(0, np.int64)
        return np.asarray(numbers, np.int64)

    def forget(self, numbers: list[int]) -> None:
        """Propose these no more."""
        for number in numbers:
            if number < self.until and number in self.index:
                self.index.mark_deleted(number)

    def _stretched(self, vectors: Floats) -> Floats:
        scale = np.float32(np.sqrt(self.dimension) / _SPAN)
        found: Floats = np.clip(vectors * scale, -1, 1)
        return found

    def save(self, path: Path) -> tuple[int, int]:
        """Write it whole or not at all; its size and checksum."""
        temporary = path.with_name(f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        try:
            self.index.save(str(temporary))
            handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            seen = measure(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        durable.flush_directory(path.parent)
        return seen

    @classmethod
    def load(cls, path: Path, dimension: int, until: int) -> Graph:
        """Read one that `measure` found to be whole."""
        import voyager  # noqa: PLC0415

        return cls(voyager.Index.load(str(path)), dimension, until)


def measure(path: Path) -> tuple[int, int]:
    """Size and checksum of a file; (0, 0) if it is not there."""
    size = total = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                size, total = size + len(block), zlib.crc32(block, total)
    except FileNotFoundError:
        return 0, 0
    return size, total
