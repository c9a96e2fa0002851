"""The disk itself: durable bytes in a file, and written ones that a cut may lose."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Loss:
    """What a cut did: sectors that were not flushed, and how many of them survived."""

    unflushed: int
    kept: int


class VolatileDisk:
    """A disk over the file at `path` with a write cache that loses power.

    Offsets and lengths are in bytes, multiples of 512. A sector is written whole
    or not at all; nothing else is promised for what was not flushed: a cut keeps
    any subset of the sectors.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        self.size = os.fstat(self._file).st_size // SECTOR * SECTOR
        self._cache: dict[int, bytes] = {}
        self._lock = threading.Condition()
        self._powered = True
        self.flushes = 0

    def read(self, offset: int, length: int) -> bytes:
        """What the guest sees: the cache over the file."""
        with self._lock:
            data = bytearray(os.pread(self._file, length, offset))
            for at in range(0, length, SECTOR):
                cached = self._cache.get((offset + at) // SECTOR)
                if cached is not None:
                    data[at : at + SECTOR] = cached
            return bytes(data)

    def write(self, offset: int, data: bytes, *, force: bool = False) -> None:
        """Write to the cache, or with `force` (FUA) to the file at once."""
        with self._lock:
            if not self._powered:
                return
            first = offset // SECTOR
            count = len(data) // SECTOR
            if force:
                for sector in range(first, first + count):
                    self._cache.pop(sector, None)
                os.pwrite(self._file, data, offset)
                return
            for i in range(count):
                self._cache[first + i] = data[i * SECTOR : (i + 1) * SECTOR]
            self._lock.notify_all()

    def flush(self) -> None:
        """Everything that was written is durable when this returns."""
        with self._lock:
            if self._powered:
                self._settle(self._cache)
                self._cache = {}
                self.flushes += 1

    def cut(self, keep: float = 0.0, seed: int = 0, wait: float = 0.0) -> Loss:
        """Take the power away: a share `keep` (0 to 1) of the unflushed sectors
        reaches the disk, which ones is drawn with `seed`; later writes are lost.

        It is cut at a moment when there are unflushed sectors, if one comes
        within `wait` seconds.
        """
        with self._lock:
            self._lock.wait_for(lambda: bool(self._cache), timeout=wait)
            self._powered = False
            kept, loss = self._survivors(keep, seed)
            self._settle(kept)
            self._cache = {}
            return loss

    def copy(self, to: Path, start: int, keep: float = 0.0, seed: int = 0) -> Loss:
        """Write into `to` what the disk from the byte `start` on would hold if its power went
        now; see `cut`. It goes on as if nothing had been. Only what has data is copied."""
        with self._lock:
            kept, loss = self._survivors(keep, seed)
            with to.open("wb") as copy:
                for begin, end in self._extents(start):
                    copy.seek(begin - start)
                    for at in range(begin, end, _CHUNK):
                        copy.write(os.pread(self._file, min(_CHUNK, end - at), at))
                for sector, data in kept.items():
                    if sector * SECTOR >= start:
                        copy.seek(sector * SECTOR - start)
                        copy.write(data)
                copy.truncate(self.size - start)
            return loss

    def _extents(self, at: int) -> Iterator[tuple[int, int]]:
        """From where to where the file has data, beginning at the byte `at`."""
        while True:
            try:
                begin = os.lseek(self._file, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return
                raise
            at = os.lseek(self._file, begin, os.SEEK_HOLE)
            yield begin, at

    def _survivors(self, keep: float, seed: int) -> tuple[dict[int, bytes], Loss]:
        draw = random.Random(seed)  # noqa: S311 (a test's choice, not a secret)
        kept = {s: d for s, d in sorted(self._cache.items()) if draw.random() < keep}
        return kept, Loss(len(self._cache), len(kept))

    def restore_power(self) -> None:
        """The disk works again, with what it had kept."""
        with self._lock:
            self._powered = True

    def close(self) -> None:
        """Give the file back; what was not flushed is lost."""
        os.close(self._file)

    def _settle(self, sectors: dict[int, bytes]) -> None:
        run: list[bytes] = []
        start = previous = -2
        for sector in sorted(sectors):
            if sector != previous + 1:
                self._put(start, run)
                start, run = sector, []
            run.append(sectors[sector])
            previous = sector
        self._put(start, run)

    def _put(self, start: int, run: list[bytes]) -> None:
        if run:
            os.pwrite(self._file, b"".join(run), start * SECTOR)
