"""Who embeds a mind's thoughts: the local model, the appliance's own process, or a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from meso_services.contract.client import Connection
from meso_services.contract.embed import MOST_TEXTS, EmbedReply, EmbedRequest
from meso_services.contract.mind import MindConfig
from meso_services.embedding import model as local
from meso_services.mind.clustering import Floats, normalised
from meso_services.mind.models import Client
from meso_services.runtime.errors import MesoError

LOCAL_MODEL = f"local/{local.NAME}"
# What `mind calibrate` finds for this model (docs/minds.md); the seed's 0.3 is for another one.
LOCAL_THRESHOLD = 0.65
# The APIs take from 96 inputs on at once.
AT_ONCE = 96
EMBED_SECONDS = 300.0


def offline(config: MindConfig) -> MindConfig:
    """The same configuration with the local model, its dimension and its threshold."""
    return config.model_copy(
        update={
            "embedding_model": LOCAL_MODEL,
            "embedding_dim": local.DIMENSION,
            "centroid_match_threshold": LOCAL_THRESHOLD,
        }
    )


class Embedder(Protocol):
    """Turns texts into unit vectors of shape (texts, dimension)."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises MesoError."""


class InProcess:
    """The local model in this process, loaded when it is first needed."""

    # Texts cost the same one by one: see `ahead`.
    early = True

    def __init__(self, place: Path | None = None) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._loaded: local.Embedder | None = None

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises `embed.no_model`."""
        with self._lock:
            self._loaded = self._loaded or local.Embedder(self._place or local.locate())
        return self._loaded.embed(texts).vectors


class Service:
    """The appliance's meso-embed."""

    early = True

    def __init__(self, run: Path) -> None:
        self._run = run

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises CallError."""
        found: list[tuple[float, ...]] = []
        # The first sentence waits for the unit to start and to load its model.
        with Connection("embed", self._run, timeout=EMBED_SECONDS) as connection:
            for part in _parts(texts, MOST_TEXTS):
                wanted = EmbedRequest(texts=tuple(part))
                found += connection.post("/v1/embed", wanted, EmbedReply).vectors
        return np.array(found, np.float32)


class Remote:
    """A model behind the embeddings API."""

    def __init__(self, client: Client, config: MindConfig) -> None:
        self._client, self._config = client, config

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises `mind.model_*` and `mind.embedding_dim`."""
        rows = self.rows(texts)
        wanted = self._config.embedding_dim
        if any(len(row) != wanted for row in rows):
            raise MesoError(
                "mind.embedding_dim",
                f"{self._config.embedding_model} gives {len(rows[0])} numbers and embedding_dim "
                f"is {wanted}",
                status=502,
                hint=f"for a new mind: `mind config --set embedding_dim={len(rows[0])}`",
            )
        return normalised(np.array(rows, np.float32))

    def rows(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors as the server gives them, whatever their length."""
        name = self._config.embedding_model
        return [
            row for part in _parts(texts, AT_ONCE) for row in self._client.embed(name, list(part))
        ]


class Measured:
    """A model behind the embeddings API whose dimension nobody has said."""

    def __init__(self, client: Client, model: str) -> None:
        self._remote = Remote(client, MindConfig(embedding_model=model))

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises `mind.model_*`, and `mind.embedding_dim` where the lengths differ."""
        rows = self._remote.rows(texts)
        if len({len(row) for row in rows}) > 1:
            said = "the server gives vectors of different lengths"
            raise MesoError("mind.embedding_dim", said, status=502)
        return normalised(np.array(rows, np.float32))


def choose(config: MindConfig, client: Client, own: Embedder) -> Embedder:
    """Who embeds for a mind of this configuration; `own` has the local model."""
    if config.embedding_model == LOCAL_MODEL:
        return own
    return Remote(client, config)


def _parts(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (texts[at : at + size] for at in range(0, len(texts), size))


def measuring(model: str, client: Client, own: Embedder) -> Embedder:
    """Who embeds to measure a model, of whatever dimension it is."""
    return own if model == LOCAL_MODEL else Measured(client, model)
