"""Who uses a workspace's files: calls that run share them, whoever replaces them is alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from meso_services.runtime.errors import MesoError

Place = tuple[str, str]


class Occupied:
    """Workspaces by (session, branch). For any number of threads; nobody waits in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[Place] = Counter()
        self._alone: set[Place] = set()

    @contextmanager
    def shared(self, session: str, branch: str) -> Iterator[None]:
        """For a call while it runs. Raises `workspace.busy` while the files are replaced."""
        place = (session, branch)
        with self._lock:
            if place in self._alone:
                raise MesoError(
                    "workspace.busy",
                    f"the files of session {session}, branch {branch} are being replaced",
                    status=409,
                    hint="ask again when the restore or merge has ended",
                )
            self._calls[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls[place] -= 1
                if not self._calls[place]:
                    del self._calls[place]

    @contextmanager
    def alone(self, session: str, branch: str) -> Iterator[None]:
        """For whoever replaces the files. Raises `workspace.busy` while calls run there."""
        place = (session, branch)
        with self._lock:
            if running := self._calls[place]:
                raise MesoError(
                    "workspace.busy",
                    f"{running} calls use the files of session {session}, branch {branch}",
                    status=409,
                    hint="wait for them, or cancel them: `meso tool calls`",
                )
            self._alone.add(place)
        try:
            yield
        finally:
            with self._lock:
                self._alone.discard(place)
