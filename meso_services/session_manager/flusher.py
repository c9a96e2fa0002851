"""Commits the index now and then, so that a crash has little to read again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.session_manager.index.index import Index

SECONDS = 3.0
# At most so much of the work that can wait is done between two commits.
SLICE = 0.5
_log = Log("meso.sessions")


class Flusher:
    """A thread that commits what is pending, every few seconds, and does what can wait.

    Entries do not depend on it: they are durable by their own file.
    """

    def __init__(
        self, index: Index, meanwhile: Callable[[float], int], seconds: float = SECONDS
    ) -> None:
        self._index = index
        self._meanwhile = meanwhile
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-flush", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._meanwhile(SLICE)
                if self._index.pending:
                    self._index.commit()
            except MesoError as problem:
                _log.warning("could not write the index of the sessions", reason=problem.message)
