"""Engines by name. Those that need a client of their own import it only when they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from meso_services.memory import qdrant
from meso_services.memory.embedded import engine as embedded
from meso_services.memory.engine import Engine, EngineError

Kind = Literal["embedded", "qdrant"]
KINDS: tuple[Kind, ...] = ("embedded", "qdrant")


def open_engine(  # noqa: PLR0913 (an engine is in one place or at the other)
    kind: Kind,
    *,
    place: Path | None = None,
    url: str = "",
    key: str | None = None,
    dimension: int,
    model: str,
) -> Engine:
    """An engine of a kind: `embedded` below the directory `place`, `qdrant` at `url`
    (`http://HOST:6333` with a `key`, or `file:/DIRECTORY` without a server).

    Raises EngineDamaged (EngineMismatch for another model or dimension): `discard` and fill it
    anew; EngineFull; EngineUnreachable; EngineError.
    """
    if kind == "qdrant":
        return qdrant.QdrantEngine(qdrant.connect(url, key), dimension, model)
    if place is None:
        raise EngineError("the embedded engine needs a directory")
    return embedded.EmbeddedEngine(place, dimension, model)


def discard(
    kind: Kind, *, place: Path | None = None, url: str = "", key: str | None = None
) -> None:
    """Remove what an engine stored, whatever state it is in."""
    if kind == "qdrant":
        client = qdrant.connect(url, key)
        try:
            qdrant.discard(client)
        finally:
            client.close()
    elif place is not None:
        embedded.discard(place)
