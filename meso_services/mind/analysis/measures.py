"""Measures of a set of unit vectors. None of them needs the set in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meso_services.mind.clustering import Doubles, Floats

# Covariances are taken of so many vectors at most, evenly chosen.
MOST = 2000


def diversity(vectors: Floats) -> float:
    """Mean cosine distance of all pairs, 0 (all alike) to about 1; 0 for fewer than two."""
    count = len(vectors)
    if count < 2:
        return 0.0
    total = vectors.astype(np.float64).sum(axis=0)
    alike = (float(total @ total) - count) / (count * (count - 1))
    return 1 - alike


def coherence(vectors: Floats) -> float:
    """Mean cosine to the centroid, 0 to 1: the length of the mean of unit vectors."""
    if not len(vectors):
        return 0.0
    return float(np.linalg.norm(vectors.astype(np.float64).mean(axis=0)))


def centroid(vectors: Floats) -> Doubles:
    """The unit vector of the mean, of shape (dimension)."""
    mean = vectors.astype(np.float64).sum(axis=0)
    found: Doubles = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return found


def spread(vectors: Floats) -> Doubles:
    """The variances along the principal axes, largest first, of shape (at most count - 1)."""
    if len(vectors) < 2:
        return np.zeros(0)
    chosen = vectors
    if len(vectors) > MOST:
        chosen = vectors[np.linspace(0, len(vectors) - 1, MOST).round().astype(int)]
    centred = chosen.astype(np.float64) - chosen.mean(axis=0, dtype=np.float64)
    # The smaller of both products has the same eigenvalues.
    product = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    found: Doubles = np.linalg.eigvalsh(product)[::-1] / (len(centred) - 1)
    return np.maximum(found[: len(centred) - 1], 0)


def effective_dimensionality(variances: Doubles) -> float:
    """In how many directions the set really extends: (sum)^2 / (sum of squares); 0 for a point."""
    squares = float(variances @ variances)
    return float(variances.sum()) ** 2 / squares if squares > 1e-24 else 0.0


def aspect_ratio(variances: Doubles) -> float:
    """How much longer the set is than wide: its first two axes' deviations; 0 for a point.

    A set that lies on one line is as long as its width is nothing: 1e6 stands for that.
    """
    if not len(variances) or variances[0] <= 1e-12:
        return 0.0
    second = float(variances[1]) if len(variances) > 1 else 0.0
    return min(1e6, float(np.sqrt(variances[0] / max(second, 1e-24))))


def perplexity(counts: Sequence[int]) -> float:
    """How many equally large groups would be as hard to guess; 0 without any."""
    given = np.array([count for count in counts if count > 0], np.float64)
    if not len(given):
        return 0.0
    shares = given / given.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def distance(one: Doubles | Floats, other: Doubles | Floats) -> float:
    """Cosine distance of two unit vectors."""
    return 1 - float(np.dot(one, other))


def axes(vectors: Floats, wanted: int = 2) -> tuple[Doubles, Doubles]:
    """The mean and the first principal axes (dimension, wanted), each with a fixed sign."""
    chosen = vectors
    if len(vectors) > MOST:
        chosen = vectors[np.linspace(0, len(vectors) - 1, MOST).round().astype(int)]
    mean = chosen.mean(axis=0, dtype=np.float64)
    centred = chosen - mean
    found = np.zeros((vectors.shape[1], wanted))
    # The smaller of both products gives the same axes.
    if len(centred) < centred.shape[1]:
        _, small = np.linalg.eigh(centred @ centred.T)
        rows = (centred.T @ small[:, ::-1][:, :wanted]).T
    else:
        rows = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :wanted].T
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found[:, : len(rows)] = (rows / np.maximum(norms, 1e-12)).T
    # An axis may point either way; the map must look the same every time.
    largest = np.abs(found).argmax(axis=0)
    signs = np.sign(found[largest, np.arange(wanted)])
    return mean, found * np.where(signs == 0, 1, signs)
