"""A limit of processor time for code that may try for ever, such as a schema's expressions."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after this much processor time of the process.

    Python's expressions look for signals while they try. Signals reach the main thread only,
    in which a service's loop runs; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _ring(*_: object) -> None:
    raise TimeoutError
