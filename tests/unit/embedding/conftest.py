"""The model as the launcher brings it, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_host.setup import model as files
from meso_services.embedding.model import Embedder


@pytest.fixture(scope="session")
def place() -> Path:
    return files.bring(lambda _: None)


@pytest.fixture(scope="session")
def embedder(place: Path) -> Embedder:
    return Embedder(place)
