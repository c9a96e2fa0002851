"""Incremental clustering: centroid match first, then HDBSCAN on what no cluster took.

Every thought is in one cluster or is noise. A cluster keeps its number for ever; its centroid is
the mean of its members' unit vectors and moves with each of them. Within an iteration all
distances are taken to the centroids as they were at its beginning, so that the outcome does not
depend on the order of the thoughts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
# HDBSCAN's effort grows with the square of the noise: only the newest take part.
MOST_NOISE = 512


@dataclass(frozen=True, slots=True)
class Change:
    """A thought that joined a cluster. `by` is `centroid`, `hdbscan` or `split`; `distance` is
    cosine. After a split `left` is the cluster that it was in before.
    """

    thought: int
    cluster: int
    by: str
    distance: float
    left: int | None = None


@dataclass(slots=True)
class Clusters:
    """All clusters of a mind: `sums` (clusters, dimension) of unit vectors, `sizes` of members."""

    dimension: int
    count: int = 0
    sums: Doubles = field(init=False)
    sizes: NDArray[np.int64] = field(init=False)
    units: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._room(16)

    def _room(self, wanted: int) -> None:
        old = self.count
        sums, sizes = np.zeros((wanted, self.dimension)), np.zeros(wanted, np.int64)
        units = np.zeros((wanted, self.dimension), np.float32)
        if old:
            sums[:old], sizes[:old] = self.sums[:old], self.sizes[:old]
            units[:old] = self.units[:old]
        self.sums, self.sizes, self.units = sums, sizes, units

    def restored(self, sums: Doubles, sizes: NDArray[np.int64]) -> Clusters:
        """These clusters holding what `sums` and `sizes` say."""
        self._room(max(16, len(sizes)))
        self.count = len(sizes)
        self.sums[: self.count], self.sizes[: self.count] = sums, sizes
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        self.units[: self.count] = sums / np.maximum(norms, 1e-12)
        return self

    def centroids(self) -> Floats:
        """Unit vectors of all clusters, shape (count, dimension)."""
        return self.units[: self.count]

    def coherence(self) -> Doubles:
        """Mean cosine of each cluster's members to its centroid, 0 to 1."""
        sizes = np.maximum(self.sizes[: self.count], 1)
        found: Doubles = np.linalg.norm(self.sums[: self.count], axis=1) / sizes
        return found

    def add(self, clusters: Sequence[int], vectors: Floats, sign: Sequence[int] = ()) -> None:
        """Give unit vectors to clusters; a number that is not there yet makes the cluster.

        With `sign`, those of -1 are taken from theirs instead. The order is that of the rows, so
        that replaying what was added gives the same sums to the last bit.
        """
        if not len(clusters):
            return
        wanted = max(clusters) + 1
        if wanted > len(self.sizes):
            self._room(max(2 * len(self.sizes), wanted))
        self.count = max(self.count, wanted)
        index = np.asarray(clusters)
        signs = np.asarray(sign, np.int64) if len(sign) else np.ones(len(index), np.int64)
        np.add.at(self.sums, index, vectors.astype(np.float64) * signs[:, None])
        np.add.at(self.sizes, index, signs)
        touched = np.unique(index)
        norms = np.linalg.norm(self.sums[touched], axis=1, keepdims=True)
        self.units[touched] = self.sums[touched] / np.maximum(norms, 1e-12)


def normalised(vectors: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = (vectors / np.maximum(norms, np.float32(1e-12))).astype(np.float32)
    return found


def step(
    clusters: Clusters,
    thoughts: Sequence[int],
    vectors: Floats,
    *,
    threshold: float,
    min_size: int,
) -> list[Change]:
    """One iteration: `thoughts` are the new ones and the noise that is still in the active pool,
    ascending, `vectors` their unit vectors. Changes `clusters`; what is in no Change is noise.
    """
    if not len(thoughts):
        return []
    nearest, distances = _nearest(clusters, vectors)
    near = distances <= threshold
    changes = [
        Change(thoughts[i], int(nearest[i]), "centroid", float(distances[i]))
        for i in np.flatnonzero(near).tolist()
    ]
    clusters.add([change.cluster for change in changes], vectors[near])
    left = np.flatnonzero(~near)[-MOST_NOISE:]
    for members in groups(vectors[left], min_size, threshold):
        rows = left[members]
        number = clusters.count
        clusters.add([number] * len(rows), vectors[rows])
        away = 1 - vectors[rows] @ clusters.units[number]
        changes += [
            Change(thoughts[row], number, "hdbscan", float(far))
            for row, far in zip(rows.tolist(), away, strict=True)
        ]
    return changes


def _nearest(clusters: Clusters, vectors: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The nearest cluster of each vector, the lower number where two are equally near."""
    if not clusters.count:
        return np.full(len(vectors), -1), np.full(len(vectors), np.inf, np.float32)
    cosine = vectors @ clusters.centroids().T
    nearest = cosine.argmax(axis=1)
    return nearest, 1 - cosine[np.arange(len(vectors)), nearest]


def groups(vectors: Floats, min_size: int, threshold: float) -> list[NDArray[np.int64]]:
    """New clusters among unmatched vectors as rows, in the order of their first members.

    HDBSCAN by cosine distance. By itself it never names a single group, so where it finds none,
    it is asked once more with that allowed, and a group counts if each of its members would
    match the group's own centroid.
    """
    if len(vectors) < min_size:
        return []
    distances = _distances(vectors)
    found = _label(distances, min_size, single=False)
    if not found:
        alone = _label(distances, min_size, single=True)
        found = [rows for rows in alone if _tight(vectors[rows], threshold)]
    return found


def separate(vectors: Floats, min_size: int) -> list[NDArray[np.int64]]:
    """The groups that HDBSCAN finds by itself, as rows; none where it sees only one."""
    return _label(_distances(vectors), min_size, single=False) if len(vectors) >= min_size else []


def _distances(vectors: Floats) -> Doubles:
    exact = vectors.astype(np.float64)
    found: Doubles = np.clip(1 - exact @ exact.T, 0, 2)
    np.fill_diagonal(found, 0)
    return found


def _label(distances: Doubles, min_size: int, *, single: bool) -> list[NDArray[np.int64]]:
    # Half of a second and a hundred megabytes, and many iterations do without.
    from hdbscan import HDBSCAN  # noqa: PLC0415

    judge = HDBSCAN(metric="precomputed", min_cluster_size=min_size, allow_single_cluster=single)
    labels = judge.fit_predict(distances)
    rows = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return sorted(rows, key=lambda members: int(members[0]))


def _tight(vectors: Floats, threshold: float) -> bool:
    mean = vectors.astype(np.float64).sum(axis=0)
    unit = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return bool((1 - vectors @ unit <= threshold).all())
