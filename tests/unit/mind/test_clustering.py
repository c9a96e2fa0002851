"""Clustering: fast and slow agree assignment by assignment, identities last, cost is bounded."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from meso_host.setup import model as files
from meso_services.embedding.model import Embedder
from meso_services.mind.clustering import MOST_NOISE, Clusters, Floats, groups, normalised, step

from .slow import Slow

GENOME = Path(__file__).resolve().parents[3]


def thoughts_around(rng: np.random.Generator, topics: int, count: int, width: int) -> Floats:
    """Vectors around a few topics, and a fifth of them anywhere."""
    centres = rng.normal(size=(topics, width))
    made = []
    for _ in range(count):
        if rng.random() < 0.2:
            made.append(rng.normal(size=width))
        else:
            made.append(centres[rng.integers(topics)] + rng.normal(size=width) * 0.35)
    return normalised(np.array(made, np.float32))


def compare(vectors: Floats, threshold: float, sizes: list[int], pool: int) -> Clusters:
    """Feed both with the same iterations; every assignment after each must be equal."""
    clusters, slow = Clusters(vectors.shape[1]), Slow(threshold, 3)
    cluster_of: dict[int, int] = {}
    made = 0
    for size in sizes:
        made += size
        active = range(max(0, made - pool), made)
        asked = [t for t in active if t not in cluster_of]
        slow.iterate({t: [float(x) for x in vectors[t]] for t in asked})
        for change in step(clusters, asked, vectors[asked], threshold=threshold, min_size=3):
            cluster_of[change.thought] = change.cluster
        assert cluster_of == slow.cluster_of
        assert clusters.sizes[: clusters.count].tolist() == [len(m) for m in slow.members]
    return clusters


@pytest.mark.parametrize("seed", range(4))
def test_generated_thoughts_are_assigned_as_by_a_slow_reading(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = thoughts_around(rng, 5, 90, 24)
    clusters = compare(vectors, 0.3, [int(n) for n in rng.integers(0, 7, 40)][:25], 30)
    assert clusters.count >= 3


def test_real_text_is_assigned_as_by_a_slow_reading() -> None:
    """The sentences of the project's own documents, in an order of their own."""
    texts = [p.read_text() for p in sorted((GENOME / "genome").rglob("*.md"))]
    lines = [line.strip("-# ") for text in texts for line in text.splitlines()]
    sentences = [line for line in lines if len(line.split()) >= 4]
    random.Random(7).shuffle(sentences)  # noqa: S311
    place = files.bring(lambda _: None)
    vectors = Embedder(place).embed(sentences[:120]).vectors
    clusters = compare(vectors, 0.55, [4] * 30, 50)
    assert clusters.count >= 1


def test_the_outcome_is_the_same_every_time() -> None:
    vectors = thoughts_around(np.random.default_rng(5), 4, 60, 16)
    runs = []
    for _ in range(2):
        clusters, changes = Clusters(16), []
        for at in range(0, 60, 6):
            block = list(range(at, at + 6))
            changes += step(clusters, block, vectors[block], threshold=0.3, min_size=3)
        runs.append((changes, clusters.sums.tobytes()))
    assert runs[0] == runs[1]


def test_a_first_group_alone_becomes_a_cluster() -> None:
    """HDBSCAN by itself names no single group; three of one meaning are one all the same."""
    rng = np.random.default_rng(1)
    alike = normalised((np.ones(8) + rng.normal(size=(3, 8)) * 0.05).astype(np.float32))
    assert [list(rows) for rows in groups(alike, 3, 0.3)] == [[0, 1, 2]]
    strangers = normalised(np.eye(8, dtype=np.float32))
    assert groups(strangers, 3, 0.3) == []


def test_identity_lasts_and_the_centroid_follows() -> None:
    clusters = Clusters(2)
    at = [np.array([[np.cos(a), np.sin(a)]], np.float32) for a in np.linspace(0, 1.2, 60)]
    start = np.concatenate([at[0]] * 3)
    step(clusters, [0, 1, 2], start, threshold=0.3, min_size=3)
    before = clusters.centroids()[0].copy()
    for number, vector in enumerate(at, start=3):
        (change,) = step(clusters, [number], vector, threshold=0.3, min_size=3)
        assert change.cluster == 0
    assert float(clusters.centroids()[0] @ before) < 0.9


def test_noise_is_bounded() -> None:
    """HDBSCAN sees the newest only, so that an iteration cannot take minutes."""
    rng = np.random.default_rng(3)
    vectors = normalised(rng.normal(size=(3 * MOST_NOISE, 64)).astype(np.float32))
    changes = step(Clusters(64), list(range(len(vectors))), vectors, threshold=0.05, min_size=3)
    assert all(change.thought >= 2 * MOST_NOISE for change in changes)
