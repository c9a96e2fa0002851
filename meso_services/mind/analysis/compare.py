"""Two sessions side by side: which clusters mean the same, and how far their thinking is apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from meso_services.mind.analysis import measures
from meso_services.mind.analysis.record import Record
from meso_services.mind.clustering import Doubles, Floats
from meso_services.runtime.errors import MesoError

MOST = 2000


def compare(one: Record, other: Record) -> dict[str, Any]:
    """Clusters that are each other's nearest within the threshold are the same theme.

    `apart` is the energy distance of both sessions' thoughts, 0 when they are distributed alike.
    Raises `mind.other_embedding` when the vectors cannot be compared.
    """
    models = [(r.config.embedding_model, r.config.embedding_dim) for r in (one, other)]
    if models[0] != models[1]:
        raise MesoError(
            "mind.other_embedding",
            f"{models[0][0]} and {models[1][0]} embed differently; their vectors say nothing of "
            "each other",
            status=409,
            hint="compare minds of one embedding model",
        )
    first, second = (_centroids(r) for r in (one, other))
    pairs = _pairs(first, second, one.config.centroid_match_threshold)
    same = [
        {
            "one": f"cluster_{a}",
            "other": f"cluster_{b}",
            "distance": round(far, 4),
            "sizes": [len(one.members(a)), len(other.members(b))],
            "nearest": [_typical(one, a, first[a]), _typical(other, b, second[b])],
        }
        for a, b, far in pairs
    ]
    return {
        "one": str(one.directory),
        "other": str(other.directory),
        "same": same,
        "only_one": [f"cluster_{n}" for n in first if n not in {a for a, _, _ in pairs}],
        "only_other": [f"cluster_{n}" for n in second if n not in {b for _, b, _ in pairs}],
        "shared": [
            _share(one, [a for a, _, _ in pairs]),
            _share(other, [b for _, b, _ in pairs]),
        ],
        "diversity": [round(measures.diversity(r.vectors), 4) for r in (one, other)],
        "apart": round(_energy(one.vectors, other.vectors), 4),
    }


def _centroids(record: Record) -> dict[int, Doubles]:
    members = {n: record.members(n) for n in range(record.clusters)}
    return {n: measures.centroid(record.vectors[m]) for n, m in members.items() if len(m)}


def _pairs(
    first: dict[int, Doubles], second: dict[int, Doubles], threshold: float
) -> list[tuple[int, int, float]]:
    if not first or not second:
        return []
    a, b = list(first), list(second)
    far = 1 - np.array(list(first.values())) @ np.array(list(second.values())).T
    forth, back = far.argmin(axis=1), far.argmin(axis=0)
    found = [
        (a[i], b[j], max(0.0, float(far[i, j])))
        for i, j in enumerate(forth.tolist())
        if back[j] == i and far[i, j] <= threshold
    ]
    return sorted(found, key=lambda pair: pair[2])


def _typical(record: Record, number: int, middle: Doubles) -> str:
    members = record.members(number)
    return record.label(int(members[np.argmax(record.vectors[members] @ middle)]))


def _share(record: Record, numbers: list[int]) -> float:
    count = int(np.isin(record.cluster, numbers).sum())
    return round(count / len(record.cluster), 4) if len(record.cluster) else 0.0


def _energy(one: Floats, other: Floats) -> float:
    """Twice the mean distance between both less the mean distances within each."""
    if not len(one) or not len(other):
        return 0.0
    a, b = one[-MOST:], other[-MOST:]
    between = _mean_distance(a, b)
    return max(0.0, 2 * between - _mean_distance(a, a) - _mean_distance(b, b))


def _mean_distance(a: Floats, b: Floats) -> float:
    # Of unit vectors: |a - b|^2 = 2 - 2 cos.
    return float(np.sqrt(np.maximum(0, 2 - 2 * (a @ b.T).astype(np.float64))).mean())
