"""Engines by name. Those that need a client of their own import it only when they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from meso_services.memory.embedded import engine as embedded
from meso_services.memory.engine import Engine, EngineError

Kind = Literal["embedded"]
KINDS: tuple[Kind, ...] = ("embedded",)


def open_engine(
    kind: Kind, *, place: Path | None = None, url: str = "", dimension: int, model: str
) -> Engine:
    """An engine of a kind: `embedded` below the directory `place`.

    Raises EngineDamaged (EngineMismatch for another model or dimension): `discard` and fill it
    anew; EngineFull; EngineError.
    """
    if place is None:
        raise EngineError("the embedded engine needs a directory")
    return embedded.EmbeddedEngine(place, dimension, model)


def discard(kind: Kind, *, place: Path | None = None, url: str = "", model: str) -> None:
    """Remove what an engine stored, whatever state it is in."""
    if place is not None:
        embedded.discard(place)
