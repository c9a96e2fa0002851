"""Every engine, empty, and documents to fill it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from meso_services.memory.embedded.engine import EmbeddedEngine
from meso_services.memory.engine import Engine, Floats
from meso_services.memory.qdrant import QdrantEngine, connect

DIMENSION, MODEL = 16, "crafted"
Vector = Callable[[int], Floats]


@pytest.fixture
def vector() -> Vector:
    """A unit vector by number, always the same."""

    def made(number: int) -> Floats:
        found = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
        return found / np.linalg.norm(found)

    return made


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(tmp_path / "engine", DIMENSION, MODEL)
    yield made
    made.close()


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantEngine]:
    made = QdrantEngine(connect(f"file:{tmp_path}/qdrant"), DIMENSION, MODEL)
    yield made
    made.close()


@pytest.fixture(params=["embedded", "qdrant"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found
