"""Ctrl-C during a run: the first one asks for an end after the iteration, the second one ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# As a shell shows it of what SIGINT ended: whoever waits for the run learns that it is not whole.
INTERRUPTED = 130


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Tells whether an end was asked for. The second Ctrl-C raises KeyboardInterrupt."""
    asked = False

    def handle(_signal: int, _frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("ending after this iteration; again to end at once", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
