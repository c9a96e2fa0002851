"""Appends of many callers to one file that share an fsync: group commit.

A caller writes its bytes, then waits until they are on the disk. Whoever waits first flushes the
file for all that were written by then, so the disk's latency bounds the time of one append and
not their number a second.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was written: `start` and `end` are offsets in bytes. `epoch` is the file's life."""

    start: int
    end: int
    epoch: int


class GroupFile:
    """One file, appended to by the threads of this process only. Raises OSError.

    When a flush fails, what it would have made durable is cut off again and every caller that
    waits for it gets the error: none of them was told that it is kept. `epoch` counts such cuts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epoch = 0
        self._state = threading.Condition()
        self._handle: int | None = None
        self._synced = -1
        self._flushing = False

    def append(self, data: bytes) -> Ticket:
        """Write `data` at the end and return at once. Pass the ticket to `wait`."""
        with self._state:
            handle = self._opened()
            start = os.fstat(handle).st_size
            if self._synced < 0 or self._synced > start:
                self._synced = start
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
            except BaseException:
                os.ftruncate(handle, start)
                raise
            return Ticket(start, start + len(data), self.epoch)

    def wait(self, ticket: Ticket) -> None:
        """Return when the bytes of `ticket` are on the disk."""
        with self._state:
            while True:
                if self.epoch != ticket.epoch:
                    raise OSError(5, "the disk refused a flush that this append was part of")
                if self._synced >= ticket.end:
                    return
                if not self._flushing:
                    break
                self._state.wait()
            handle, end = self._opened(), os.fstat(self._opened()).st_size
            self._flushing = True
        self._flush(handle, end)

    def undo(self, ticket: Ticket) -> None:
        """Cut off what was written last and not waited for. No other thread may append."""
        with self._state:
            while self._flushing:
                self._state.wait()
            os.ftruncate(self._opened(), ticket.start)
            self._synced = min(self._synced, ticket.start)

    def close(self) -> None:
        """Let go of the descriptor; the next append opens it again."""
        with self._state:
            while self._flushing:
                self._state.wait()
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _flush(self, handle: int, end: int) -> None:
        problem: BaseException | None = None
        try:
            os.fdatasync(handle)
        except BaseException as error:
            problem = error
        with self._state:
            if problem is None:
                self._synced = max(self._synced, end)
            else:
                self.epoch += 1
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, self._synced)
            self._flushing = False
            self._state.notify_all()
        if problem is not None:
            raise problem

    def _opened(self) -> int:
        if self._handle is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(self.path, flags)
        return self._handle
