"""Splitting a cluster that falls apart.

Its members are clustered anew, by themselves. Groups that would match each other's centroids
belong together. Where several are left, the largest keeps the cluster's number and the others
become new clusters; members between the groups go to the nearest one. Nobody becomes noise, and
nobody moves to a cluster that was there before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meso_services.mind.clustering import (
    MOST_NOISE,
    Change,
    Clusters,
    Doubles,
    Floats,
    separate,
)

# While a cluster grows it is looked at again after each such part of its size.
GROWTH = 1.25
# Numbers and unit vectors of a cluster's thoughts, oldest first.
Members = tuple[Sequence[int], Floats]
Rows = NDArray[np.int64]


def due(clusters: Clusters, changes: Sequence[Change], below: float, min_size: int) -> list[int]:
    """Clusters that these changes made less coherent than `below`, and that are to be looked at.

    Whether it is a cluster's turn follows from its sizes alone, so that a session that was closed
    in between goes on as one that was not.
    """
    joined: dict[int, int] = {}
    for change in changes:
        if change.by == "centroid":
            joined[change.cluster] = joined.get(change.cluster, 0) + 1
    coherence = clusters.coherence()
    return [
        number
        for number, count in sorted(joined.items())
        if clusters.sizes[number] >= 2 * min_size
        and coherence[number] < below
        and _step(int(clusters.sizes[number])) > _step(int(clusters.sizes[number]) - count)
    ]


@dataclass(frozen=True, slots=True)
class Rules:
    """The session's `centroid_match_threshold` and `min_cluster_size`."""

    threshold: float
    min_size: int


def split(clusters: Clusters, number: int, held: Members, rules: Rules) -> list[Change]:
    """Divide a cluster; no changes where its members are of one piece."""
    changes = plan(clusters.count, number, held, rules)
    thoughts, vectors = held
    rows = {thought: row for row, thought in enumerate(thoughts)}
    apply(clusters, changes, vectors[[rows[one.thought] for one in changes]])
    return changes


def plan(first: int, number: int, held: Members, rules: Rules) -> list[Change]:
    """What dividing cluster `number` would change; new clusters are numbered from `first`."""
    thoughts, vectors = held
    newest = vectors[-MOST_NOISE:]
    groups = _joined(newest, separate(newest, rules.min_size), rules.threshold)
    if len(groups) < 2:
        return []
    groups.sort(key=lambda rows: (-len(rows), int(rows[0])))
    # Older members than HDBSCAN was given, and those that it called noise, go to the nearest.
    skipped = max(0, len(vectors) - MOST_NOISE)
    exact = vectors.astype(np.float64)
    middles = _middles(exact, [rows + skipped for rows in groups])
    cosine = exact @ middles.T
    where = cosine.argmax(axis=1)
    for group, rows in enumerate(groups):
        where[rows + skipped] = group
    return [
        Change(thoughts[row], first + group - 1, "split", 1 - float(cosine[row, group]), number)
        for group in range(1, len(groups))
        for row in np.flatnonzero(where == group).tolist()
    ]


def _joined(vectors: Floats, groups: list[Rows], threshold: float) -> list[Rows]:
    """The groups, the nearest two made one until none match each other."""
    exact = vectors.astype(np.float64)
    while len(groups) > 1:
        middles = _middles(exact, groups)
        far = 1 - middles @ middles.T
        np.fill_diagonal(far, np.inf)
        one, other = sorted(divmod(int(far.argmin()), len(groups)))
        if far[one, other] > threshold:
            break
        both = np.sort(np.concatenate([groups[one], groups[other]]))
        groups = [*(g for n, g in enumerate(groups) if n not in (one, other)), both]
    return groups


def _middles(vectors: Doubles, groups: Sequence[Rows]) -> Doubles:
    sums = np.stack([vectors[rows].sum(axis=0) for rows in groups])
    found: Doubles = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return found


def apply(clusters: Clusters, changes: Sequence[Change], vectors: Floats) -> None:
    """Carry changes out, each thought's vector a row; one that moves leaves its old cluster."""
    numbers, signs, rows = [], [], []
    for row, one in enumerate(changes):
        if one.left is not None:
            numbers.append(one.left)
            signs.append(-1)
            rows.append(row)
        numbers.append(one.cluster)
        signs.append(1)
        rows.append(row)
    clusters.add(numbers, vectors[rows], signs)


def _step(size: int) -> int:
    return math.floor(math.log(max(1, size), GROWTH) + 1e-9)
