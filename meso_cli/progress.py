"""Progress of long work, on stderr: what, how far (step n of m), how long so far.

On a terminal one line is rewritten in place; elsewhere each step is a plain
line at its start and its end, and a step that takes long says so now and then.
Standard library only.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

TICK_SECONDS = 0.5
HEARTBEAT_SECONDS = 30.0


def duration(seconds: float) -> str:
    """`4.2 s`, `1 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Progress:
    """The steps of one piece of work; `total` is how many there will be."""

    def __init__(
        self,
        total: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._rewrites = self._stream.isatty()
        self._number = 0
        self._what = ""
        self._detail = ""
        self._began = clock()
        self._lock = threading.Lock()

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """One step; yields a function that sets the detail shown beside it."""
        with self._lock:
            self._number += 1
            self._what, self._detail, self._began = what, "", self._clock()
            self._total = max(self._total, self._number)
        self._show("", end="" if self._rewrites else "\n")
        stop = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(stop,), daemon=True)
        ticker.start()
        try:
            yield self._note
        except BaseException:
            self._finish(stop, ticker, "stopped after")
            raise
        self._finish(stop, ticker, "done in")

    def _note(self, detail: str) -> None:
        self._detail = detail

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(TICK_SECONDS if self._rewrites else HEARTBEAT_SECONDS):
            self._show(self._elapsed(), end="" if self._rewrites else "\n", detail=True)

    def _finish(self, stop: threading.Event, ticker: threading.Thread, word: str) -> None:
        stop.set()
        ticker.join()
        self._show(f"{word} {self._elapsed()}", end="\n")

    def _elapsed(self) -> str:
        return duration(self._clock() - self._began)

    def _show(self, suffix: str, *, end: str, detail: bool = False) -> None:
        parts = [f"[{self._number}/{self._total}] {self._what}"]
        parts += [suffix] if suffix else []
        parts += [self._detail] if detail and self._detail else []
        line = " · ".join(parts) if self._unicode() else " - ".join(parts)
        with self._lock:
            if self._rewrites:
                line = f"\r\033[K{line[: self._width()]}"
            self._stream.write(line + end)
            self._stream.flush()

    def _unicode(self) -> bool:
        return "utf" in (getattr(self._stream, "encoding", "") or "").lower()

    @staticmethod
    def _width() -> int:
        return max(20, shutil.get_terminal_size().columns - 1)
