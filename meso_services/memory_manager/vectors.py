"""Who embeds: the appliance's own model, or any embeddings endpoint through the API proxy.

Whoever cannot be reached is left alone for a while; memories are found by their words meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from meso_services.contract.client import NO_TLS, CallError, Connection
from meso_services.contract.embed import EmbedReply, EmbedRequest
from meso_services.embedding import model as local
from meso_services.memory.engine import Floats
from meso_services.runtime.logging import Log

LOCAL = "local"
PAUSE_SECONDS = 5.0
REMEMBERED = 4096
MOST_CHARACTERS = 64 * 1024
_log = Log("meso.memory")


@dataclass(frozen=True)
class Model:
    """Which model; `dimension` of its vectors; how long to wait for it in seconds."""

    name: str = LOCAL
    dimension: int = local.DIMENSION
    seconds: float = 2.0

    @property
    def title(self) -> str:
        """What tells vectors of one model from those of another."""
        if self.name == LOCAL:
            return f"{local.NAME}@{local.REVISION}"
        return self.name


class Vectors:
    """Texts become unit vectors. For several threads. `problem` says why none came last."""

    def __init__(self, run: Path, model: Model) -> None:
        self.model = model
        self.problem = ""
        self._run = run
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._until = 0.0
        self._connection: Connection | None = None

    def of(self, text: str) -> Floats | None:
        """One text's vector, or None if it cannot be had now."""
        with self._lock:
            if (known := self._known.get(text)) is not None:
                self._known.move_to_end(text)
                return known
        found = self.several([text])
        return None if found is None else found[0]

    def known(self, text: str) -> Floats | None:
        """A vector that was asked for before."""
        with self._lock:
            return self._known.get(text)

    def several(self, texts: Sequence[str]) -> Floats | None:
        """Vectors of shape (texts, dimension), or None."""
        if time.monotonic() < self._until:
            return None
        with self._lock:
            try:
                rows = self._ask([text[:MOST_CHARACTERS] for text in texts])
            except (CallError, httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
                self._failed(str(problem) or type(problem).__name__)
                return None
            if rows.shape != (len(texts), self.model.dimension):
                self._failed(
                    f"{self.model.title} gives vectors of shape {rows.shape}; "
                    f"services.memory_manager.embedding_dim is {self.model.dimension}"
                )
                return None
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
                self._failed(f"{self.model.title} gives vectors without a length")
                return None
            found: Floats = np.asarray(rows / lengths, np.float32)
            self.problem = ""
            for text, row in zip(texts, found, strict=True):
                self._known[text] = row
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return found

    def forget(self) -> None:
        """Know no text any more: one of them is purged."""
        with self._lock:
            self._known.clear()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.__exit__(None, None, None)
                self._connection = None

    def _failed(self, reason: str) -> None:
        if not self.problem:
            _log.warning("no embeddings; memories are found by their words", reason=reason)
        self.problem = reason
        self._until = time.monotonic() + PAUSE_SECONDS

    def _ask(self, texts: list[str]) -> Floats:
        if self.model.name == LOCAL:
            if self._connection is None:
                self._connection = Connection(
                    "embed", self._run, timeout=self.model.seconds, patience=0
                )
            wanted = EmbedRequest(texts=tuple(texts))
            reply = self._connection.post("/v1/embed", wanted, EmbedReply, once=True)
            return np.array(reply.vectors, np.float32).reshape(len(texts), -1)
        return self._remote(texts)

    def _remote(self, texts: list[str]) -> Floats:
        transport = httpx.HTTPTransport(uds=str(self._run / "api-proxy.sock"), verify=NO_TLS)
        with httpx.Client(transport=transport, base_url="http://meso", trust_env=False,
                          timeout=self.model.seconds) as client:  # fmt: skip
            body = {"model": self.model.name, "input": texts}
            answer = client.post("/v1/embeddings", json=body)
            answer.raise_for_status()
            rows = sorted(answer.json()["data"], key=lambda row: row["index"])
        return np.array([row["embedding"] for row in rows], np.float32).reshape(len(rows), -1)
