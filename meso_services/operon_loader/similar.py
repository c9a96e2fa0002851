"""Triggers of similar meaning, judged by the embedding model of `meso-embed`.

The declared texts are embedded once per model and kept; a message costs one request. Where
the model is not there, is late or fails, no operon loads for its meaning, and the answer
says so. Everything else is decided without it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from meso_services.contract.client import CallError, Connection
from meso_services.contract.embed import MOST_TEXTS, EmbedReply, EmbedRequest
from meso_services.genome.models import Operon
from meso_services.genome.situation import Nearest

# A message's beginning says what it is about, and the model's window is short anyway.
MOST_CHARACTERS = 20_000
Vector = Sequence[float]


class Similarity:
    """Judges messages for the operons that declare similar texts. From several threads."""

    def __init__(self, run: Path, seconds: float) -> None:
        self._run = run
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], Vector] = {}

    def judge(self, operons: Sequence[Operon], text: str) -> tuple[dict[str, Nearest], str]:
        """Per operon its nearest declared text, and a note when it could not be judged."""
        if not operons or not text.strip():
            return {}, ""
        if not self._seconds:
            return {}, "similar meanings were not judged: similarity_seconds is 0"
        try:
            with self._lock:
                return self._judge(operons, text[:MOST_CHARACTERS]), ""
        except CallError as error:
            return {}, f"similar meanings were not judged: {error.info.message}"

    def _judge(self, operons: Sequence[Operon], text: str) -> dict[str, Nearest]:
        with Connection("embed", self._run, timeout=self._seconds, patience=0) as model:
            said = _embed(model, (text,), "query")
            key = (said.model, said.revision)
            wanted = {t for o in operons for t in _declared(o) if (*key, t) not in self._known}
            self._learn(model, sorted(wanted))
        return {
            operon.head.name: max(
                (Nearest(t, _cosine(self._known[*key, t], said.vectors[0])) for t in texts),
                key=lambda nearest: nearest.cosine,
            )
            for operon in operons
            if (texts := _declared(operon))
        }

    def _learn(self, model: Connection, texts: Sequence[str]) -> None:
        for start in range(0, len(texts), MOST_TEXTS):
            some = tuple(texts[start : start + MOST_TEXTS])
            said = _embed(model, some, "document")
            for text, vector in zip(some, said.vectors, strict=True):
                self._known[said.model, said.revision, text] = vector


def _embed(model: Connection, texts: tuple[str, ...], purpose: str) -> EmbedReply:
    wanted = EmbedRequest.model_validate({"texts": texts, "purpose": purpose})
    return model.post("/v1/embed", wanted, EmbedReply, once=True)


def _declared(operon: Operon) -> tuple[str, ...]:
    similar = operon.head.triggers.similar
    return similar.texts if similar else ()


def _cosine(one: Vector, other: Vector) -> float:
    """Of unit vectors; rounded, so that both processors' last bits decide nothing."""
    return round(sum(a * b for a, b in zip(one, other, strict=True)), 4)
