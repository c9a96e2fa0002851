"""Commits the index now and then, so that a crash has little to read again."""

from __future__ import annotations

import threading

from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.session_manager.index.index import Index

SECONDS = 3.0
_log = Log("meso.sessions")


class Flusher:
    """A thread that commits what is pending, every few seconds. Entries do not depend on it."""

    def __init__(self, index: Index, seconds: float = SECONDS) -> None:
        self._index = index
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
            if not self._index.pending:
                continue
            try:
                self._index.commit()
            except MesoError as problem:
                _log.warning("could not write the index of the sessions", reason=problem.message)
