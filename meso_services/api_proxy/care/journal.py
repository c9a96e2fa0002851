"""Lines of JSON that only grow: written by a thread, flushed in batches, bounded in size.

The event loop never waits for the disk. What is lost by a crash is what was appended within the
last `flush_seconds`. A directory holds segments, `NAME-000001.jsonl` and so on; the oldest leave
when all of them together are too large.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from meso_services.runtime import durable
from meso_services.runtime.logging import Log

Record = dict[str, Any]
CHECKPOINT = "checkpoint"
RETRY_SECONDS = 1.0
# Lines that the writer works on before it lets others run.
TURN = 32
S = TypeVar("S")
T = TypeVar("T")
_log = Log("meso.proxy.journal")


@dataclass(frozen=True)
class Bounds:
    """Sizes in bytes. `waiting` is how many lines may wait for a disk that does not take them."""

    segment: int = 4 * 1024**2
    total: int = 64 * 1024**2
    flush_seconds: float = 0.2
    waiting: int = 20_000


def bounds_of(max_size: int, flush_seconds: float) -> Bounds:
    """Segments of a sixteenth, so that the oldest lines leave bit by bit."""
    return Bounds(max(max_size // 16, 64 * 1024), max_size, flush_seconds)


class Fold(Protocol):
    """What the lines add up to. A segment begins with it, so that one segment is enough to
    know it again."""

    def apply(self, record: Record) -> None:
        """Add one line."""

    def checkpoint(self) -> Record:
        """All that counts, as JSON."""

    def restore(self, checkpoint: Record) -> None:
        """The reverse."""


class Journal:
    """One kind of lines, with one writer: this process."""

    def __init__(
        self, directory: Path, name: str, bounds: Bounds | None = None, fold: Fold | None = None
    ) -> None:
        self.bounds = bounds or Bounds()
        self.problem = ""
        self.dropped = 0
        self.damaged = 0
        self._directory, self._name, self._fold = directory, name, fold
        self._pattern = re.compile(rf"{re.escape(name)}-([0-9]{{6,}})\.jsonl")
        self._waiting: deque[Record] = deque()
        self._busy = False
        self._closing = False
        self._changed = threading.Condition()
        durable.make_directories(directory)
        self._recover()
        self._thread = threading.Thread(target=self._run, name=f"journal-{name}", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """Hand a line to the writer; returns at once. Do not change `record` afterwards."""
        with self._changed:
            if len(self._waiting) >= self.bounds.waiting:
                self.dropped += 1
                return
            self._waiting.append(record)
            # One waking for a batch: while it gathers, the writer sleeps on.
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything appended so far is on the disk; False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(RETRY_SECONDS * 3)

    def read(self) -> Iterator[Record]:
        """Every line that is on the disk, oldest first; checkpoints and damage are left out."""
        for segment in self.segments():
            # A segment may leave while it is read: it was the oldest.
            with contextlib.suppress(FileNotFoundError):
                yield from (line for line in self._lines(segment) if CHECKPOINT not in line)

    def segments(self) -> list[Path]:
        """The files, oldest first."""
        numbered = [
            (int(found[1]), path)
            for path in self._directory.iterdir()
            if (found := self._pattern.fullmatch(path.name))
        ]
        return [path for _, path in sorted(numbered)]

    # The writer's thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                # Others come along within this time and share one flush.
                self._changed.wait_for(lambda: self._closing, self.bounds.flush_seconds)
                batch = list(self._waiting)
                self._busy = True
            written = self._write(batch)
            with self._changed:
                for _ in range(len(batch) if written else 0):
                    self._waiting.popleft()
                self._busy = False
                self._changed.notify_all()
                if not written:
                    if self._closing:
                        return
                    self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)

    def _write(self, batch: list[Record]) -> bool:
        data = b"".join(politely(_encode, batch))
        try:
            if self._current.stat().st_size >= self.bounds.segment:
                self._begin(self._number + 1)
            durable.append(self._current, data)
        except OSError as problem:
            if not self.problem:
                _log.error("a journal cannot be written", journal=self._name, reason=str(problem))
            self.problem = problem.strerror or type(problem).__name__
            return False
        self.problem = ""
        if self._fold is not None:
            deque(politely(self._fold.apply, batch), maxlen=0)
        return True

    def _begin(self, number: int) -> None:
        first = {CHECKPOINT: self._fold.checkpoint()} if self._fold is not None else None
        path = self._directory / f"{self._name}-{number:06d}.jsonl"
        durable.write(path, _encode(first) if first else b"")
        self._current, self._number = path, number
        self._shrink()

    def _shrink(self) -> None:
        kept = self.segments()
        sizes = {path: path.stat().st_size for path in kept}
        while len(kept) > 1 and sum(sizes[path] for path in kept) > self.bounds.total:
            durable.remove(kept.pop(0))

    # The start

    def _recover(self) -> None:
        found = self.segments()
        if not found:
            self._begin(1)
            return
        self._current = found[-1]
        self._number = int(self._current.stem.rpartition("-")[2])
        self._cut_torn_end()
        if self._fold is not None:
            self._replay(found)

    def _cut_torn_end(self) -> None:
        data = self._current.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            _log.warning("cut a torn line off", journal=self._name, bytes=len(data) - whole)
            durable.truncate(self._current, whole)

    def _replay(self, found: list[Path]) -> None:
        """From the newest checkpoint that can be read; without any, from the oldest line."""
        begin = next(
            (
                i
                for i in reversed(range(len(found)))
                if CHECKPOINT in next(self._lines(found[i]), {})
            ),
            0,
        )
        for path in found[begin:]:
            for record in self._lines(path):
                self._apply(record)

    def _apply(self, record: Record) -> None:
        assert self._fold is not None  # noqa: S101 (its only caller looked)
        try:
            if CHECKPOINT in record:
                self._fold.restore(record[CHECKPOINT])
            else:
                self._fold.apply(record)
        except (KeyError, TypeError, ValueError):
            self.damaged += 1

    def _lines(self, path: Path) -> Iterator[Record]:
        with path.open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if isinstance(record, dict):
                    yield record
                else:
                    self.damaged += 1


def politely(work: Callable[[S], T], batch: list[S]) -> Iterator[T]:
    """`work` on each, letting the event loop's thread in every few."""
    for number, record in enumerate(batch, 1):
        yield work(record)
        if number % TURN == 0:
            time.sleep(0)


def _encode(record: Record) -> bytes:
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    # Half of a surrogate pair becomes its escape; a line that cannot be written would end the
    # writer, and with it the books.
    return text.encode(errors="backslashreplace") + b"\n"
