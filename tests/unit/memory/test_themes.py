"""Themes and their landscape, of real sentences by the real model."""

from __future__ import annotations

import random
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from meso_host.setup import model as files
from meso_services.embedding.model import DIMENSION, Embedder
from meso_services.memory import landscape, themes
from meso_services.memory.embedded.engine import EmbeddedEngine
from meso_services.memory.engine import Document
from meso_services.mind.clustering import normalised
from meso_services.mind.themes import THEMES

CHOSEN = ("gardens", "trains", "software", "stars", "bees", "cooking", "money", "music")


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    embedder = Embedder(files.bring(lambda _: None))
    texts = [(name, text) for name in CHOSEN for text in THEMES[name]]
    vectors = embedder.embed([text for _, text in texts]).vectors
    return [
        Document(f"{name}-{n:03}", "", text, tags=("t",), created=float(n % 6), vector=vector)
        for n, ((name, text), vector) in enumerate(zip(texts, vectors, strict=True))
    ]


@pytest.fixture
def engine(tmp_path: Path, documents: list[Document]) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(tmp_path / "engine", DIMENSION, "m")
    made.put(documents)
    yield made
    made.close()


def _subject(name: str) -> str:
    return name.rpartition("-")[0]


def test_themes_hold_what_belongs_together_and_are_named_by_its_words(
    engine: EmbeddedEngine,
) -> None:
    found = themes.find(engine)
    assert len(found.themes) >= 5
    rightly = 0
    for theme in found.themes:
        subjects = [_subject(name) for name in theme.members]
        rightly += max(map(subjects.count, subjects))
        texts = " ".join(one.text.casefold() for one in engine.get(theme.members))
        assert theme.words
        assert all(word in texts for word in theme.words)
        assert theme.name == ", ".join(theme.words)
    assert rightly >= 0.65 * sum(len(theme.members) for theme in found.themes)
    assert len(found.noise) <= 12
    every = [*found.noise, *(name for theme in found.themes for name in theme.members)]
    assert sorted(every) == sorted(name for name, _ in engine.vectors())
    assert found.of().keys() == set(every)


def test_the_order_of_writing_changes_nothing(
    tmp_path: Path, engine: EmbeddedEngine, documents: list[Document]
) -> None:
    other = EmbeddedEngine(tmp_path / "other", DIMENSION, "m")
    shuffled = list(documents)
    random.Random(5).shuffle(shuffled)  # noqa: S311
    for one in shuffled:
        other.put([one])
    assert themes.find(other) == themes.find(engine)
    other.close()


def test_themes_stay_when_later_memories_come(
    engine: EmbeddedEngine, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(themes, "BATCH", len(documents))
    before = {theme.number: set(theme.members) for theme in themes.find(engine).themes}
    late = [
        Document(f"late-{n:03}", "", one.text, created=1e6, vector=one.vector)
        for n, one in enumerate(documents[:20])
    ]
    engine.put(late)
    after = {theme.number: set(theme.members) for theme in themes.find(engine).themes}
    kept = sum(len(members & after.get(number, set())) for number, members in before.items())
    assert kept >= 0.75 * sum(map(len, before.values()))
    for members in before.values():
        # A theme that falls apart gives the smaller part a new number, and stays together else.
        parts = sorted((len(members & others) for others in after.values()), reverse=True)
        assert sum(parts[:2]) >= 0.9 * len(members)


def test_of_too_many_the_newest_are_looked_at(engine: EmbeddedEngine) -> None:
    found = themes.find(engine, most=10)
    assert found.left_out == len(CHOSEN) * 6 - 10
    assert len(found.of()) == 10
    assert all(one.created >= 4 for one in engine.get(list(found.of())))


def test_no_memories_no_themes(tmp_path: Path) -> None:
    empty = EmbeddedEngine(tmp_path / "e", DIMENSION, "m")
    assert themes.find(empty) == themes.Themes((), (), 0)
    empty.put([Document("a", "", "no vector")])
    found = themes.find(empty)
    assert found.themes == ()
    shown = landscape.survey(empty, found, "tsne")
    assert b"PNG" in landscape.draw_png(shown)[:8]
    assert "no memories with a vector" in landscape.draw_html(shown, found)
    empty.close()


def test_the_effort_grows_with_the_number_and_no_faster() -> None:
    """Twenty thousand in groups; four times as many as the first may take eight times as long."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((60, 64))
    made = centres[chance.integers(0, 60, 20_000)] + 0.8 * chance.standard_normal((20_000, 64))
    vectors = normalised(made.astype(np.float32))
    themes.cluster(vectors[:1000])
    taken = []
    for count in (5000, 20_000):
        began = time.process_time()
        labels, clusters = themes.cluster(vectors[:count])
        taken.append(time.process_time() - began)
    assert taken[1] < 8 * taken[0] + 1
    assert clusters.count >= 50
    assert (labels >= 0).mean() > 0.9


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_the_map_shows_every_memory_near_its_like(
    engine: EmbeddedEngine, method: landscape.Method
) -> None:
    found = themes.find(engine)
    shown = landscape.survey(engine, found, method)
    assert shown.places.shape == (len(CHOSEN) * 6, 2)
    assert np.isfinite(shown.places).all()
    again = landscape.survey(engine, found, method)
    assert np.array_equal(shown.places, again.places)
    subjects = np.array([_subject(name) for name in shown.ids])
    apart = np.linalg.norm(shown.places[:, None] - shown.places[None], axis=2)
    same = subjects[:, None] == subjects[None]
    assert apart[same].mean() < 0.8 * apart[~same].mean()
    page = landscape.draw_html(shown, found)
    assert page.count("<circle") >= len(shown.ids)
    assert found.themes[0].name in page


def test_the_picture_is_a_whole_png(engine: EmbeddedEngine) -> None:
    raw = landscape.draw_png(landscape.survey(engine, themes.find(engine), "pca"))
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", raw[16:24])
    (length,) = struct.unpack(">I", raw[33:37])
    pixels = zlib.decompress(raw[41 : 41 + length])
    assert len(pixels) == height * (1 + 3 * width)
    assert len(set(pixels[:: 3 * 101])) > 1


def test_texts_cannot_write_on_the_page(tmp_path: Path) -> None:
    made = EmbeddedEngine(tmp_path / "e", 8, "m")
    rows = normalised(np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32))
    made.put(
        [
            Document(f"<b>{n}", "", "<script>alert(1)</script> & \x01", vector=row)
            for n, row in enumerate(rows)
        ]
    )
    found = themes.find(made, threshold=1.9, least=3)
    page = landscape.draw_html(landscape.survey(made, found, "pca"), found)
    assert "<script>" not in page
    assert "<b>" not in page
    assert "\x01" not in page
    made.close()


def test_too_many_are_thinned_and_that_is_said(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(landscape.MOST, "pca", 20)
    found = themes.find(engine)
    shown = landscape.survey(engine, found, "pca")
    assert len(shown.ids) == 20
    assert shown.left_out == len(CHOSEN) * 6 - 20
    assert f"{shown.left_out} more are not shown" in landscape.draw_html(shown, found)
