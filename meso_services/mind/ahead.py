"""Thoughts are embedded while the model still writes the next one.

A reply comes in pieces over seconds, and a finished thought need not wait for its end. Each is
embedded by itself, early or late, so that its vector has the same bits either way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from meso_services.mind.clustering import Floats
from meso_services.mind.embedders import Embedder
from meso_services.mind.parser import parse
from meso_services.runtime.errors import MesoError

# A reply of the usual size; one that floods is embedded when it has been judged as a whole.
MOST_TEXT = 64 * 1024
MOST_THOUGHTS = 64
# Where an item of a list or a key of the document begins, what stood before it is finished.
_BEGINS = re.compile(r"^(?:[ \t]*-[ \t]|[A-Za-z_]+:)", re.MULTILINE)


class Ahead:
    """An embedder for one iteration, which is told what the model has said so far."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        # Where every request costs, or a text's vector depends on its company, all go at once.
        self._early = bool(getattr(embedder, "early", False))
        self._pool: ThreadPoolExecutor | None = None
        self._begun: dict[str, Future[Floats]] = {}
        self._end = 0

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def hear(self, text: str) -> None:
        """Begin with the thoughts that are finished in what was said so far. Never raises."""
        if not self._early or len(text) > MOST_TEXT:
            return
        end = max((found.start() for found in _BEGINS.finditer(text)), default=0)
        # A reply that is asked for again begins anew; what is known by its text stays known.
        if end in (0, self._end):
            return
        self._end = end
        for thought in parse(text[:end]).thoughts:
            if thought not in self._begun and len(self._begun) < MOST_THOUGHTS:
                self._pool = self._pool or ThreadPoolExecutor(1)
                self._begun[thought] = self._pool.submit(self._embedder.embed, [thought])

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of shape (texts, dimension). Raises MesoError and CallError."""
        if not self._early or not texts:
            return self._embedder.embed(texts)
        return np.concatenate([self._row(text) for text in texts])

    def _row(self, text: str) -> Floats:
        begun = self._begun.get(text)
        if begun is not None:
            try:
                return begun.result()
            except (MesoError, OSError):
                pass  # asked again below, where its error is told
        return self._embedder.embed([text])
