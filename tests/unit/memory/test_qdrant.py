"""What only the Qdrant engine can get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meso_services.memory.engine import Document, EngineMismatch, EngineUnreachable, Floats
from meso_services.memory.opening import discard, open_engine

Vector = Callable[[int], Floats]


def test_it_is_kept_and_another_model_is_told(tmp_path: Path, vector: Vector) -> None:
    url = f"file:{tmp_path}/held"
    first = open_engine("qdrant", url=url, dimension=16, model="m")
    first.put([Document("a", "", "kept", vector=vector(1))])
    first.close()
    again = open_engine("qdrant", url=url, dimension=16, model="m")
    assert again.by_vector(vector(1))[0].id == "a"
    again.close()
    for dimension, model in ((16, "other"), (8, "m")):
        with pytest.raises(EngineMismatch, match="wanted"):
            open_engine("qdrant", url=url, dimension=dimension, model=model)
    discard("qdrant", url=url)
    other = open_engine("qdrant", url=url, dimension=8, model="other")
    assert other.count() == 0
    other.close()


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(EngineUnreachable, match="does not answer"):
        open_engine("qdrant", url="http://127.0.0.1:9", dimension=16, model="m")
