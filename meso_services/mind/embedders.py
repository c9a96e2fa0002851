"""Who embeds a mind's thoughts: the local model, the appliance's own process, or a server."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from meso_services.contract.client import Connection
from meso_services.contract.embed import EmbedReply, EmbedRequest
from meso_services.contract.mind import MindConfig
from meso_services.embedding import model as local
from meso_services.mind.clustering import Floats, normalised
from meso_services.mind.models import Client
from meso_services.runtime.errors import MesoError

LOCAL_MODEL = f"local/{local.NAME}"
# What `mind calibrate` finds for this model (docs/minds.md); the seed's 0.3 is for another one.
LOCAL_THRESHOLD = 0.65


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

    def __init__(self, run: Path) -> None:
        self._run = run

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises CallError."""
        with Connection("embed", self._run) as connection:
            wanted = EmbedRequest(texts=tuple(texts))
            reply = connection.post("/v1/embed", wanted, EmbedReply)
        return np.array(reply.vectors, np.float32)


class Remote:
    """A model behind the embeddings API."""

    def __init__(self, client: Client, config: MindConfig) -> None:
        self._client, self._config = client, config

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raises `mind.model_*` and `mind.embedding_dim`."""
        rows = self._client.embed(self._config.embedding_model, list(texts))
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


def choose(config: MindConfig, client: Client, own: Embedder) -> Embedder:
    """Who embeds for a mind of this configuration; `own` has the local model."""
    if config.embedding_model == LOCAL_MODEL:
        return own
    return Remote(client, config)
