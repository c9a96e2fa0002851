"""Incremental clustering as its description reads, one thought and one cluster at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import hdbscan
import numpy as np

Vector = Sequence[float]


def distance(one: Vector, other: Vector) -> float:
    """Cosine distance of any two vectors."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return 1 - dot / (math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other)))


class Slow:
    """Every cluster is the list of its members; its centroid is their mean, made anew each time."""

    def __init__(self, threshold: float, min_size: int) -> None:
        self.threshold, self.min_size = threshold, min_size
        self.members: list[list[Vector]] = []
        self.cluster_of: dict[int, int] = {}

    def centroid(self, number: int) -> Vector:
        members = self.members[number]
        return [sum(column) / len(members) for column in zip(*members, strict=True)]

    def iterate(self, thoughts: dict[int, Vector]) -> None:
        """`thoughts` are the new ones and the active noise."""
        centroids = [self.centroid(number) for number in range(len(self.members))]
        left = {}
        for thought, vector in thoughts.items():
            far = [distance(vector, centroid) for centroid in centroids]
            if far and min(far) <= self.threshold:
                self.join(thought, vector, far.index(min(far)))
            else:
                left[thought] = vector
        for group in self.groups(left):
            self.members.append([])
            for thought in group:
                self.join(thought, left[thought], len(self.members) - 1)

    def join(self, thought: int, vector: Vector, number: int) -> None:
        self.members[number].append(vector)
        self.cluster_of[thought] = number

    def groups(self, left: dict[int, Vector]) -> list[list[int]]:
        if len(left) < self.min_size:
            return []
        found = self.labelled(left, False)
        return found or [g for g in self.labelled(left, True) if self.tight([left[t] for t in g])]

    def labelled(self, left: dict[int, Vector], single: bool) -> list[list[int]]:
        vectors = list(left.values())
        table = [
            [max(0.0, distance(a, b)) if a is not b else 0.0 for b in vectors] for a in vectors
        ]
        judge = hdbscan.HDBSCAN(
            metric="precomputed", min_cluster_size=self.min_size, allow_single_cluster=single
        )
        groups: dict[int, list[int]] = {}
        for thought, label in zip(left, judge.fit_predict(np.array(table)), strict=True):
            if label >= 0:
                groups.setdefault(int(label), []).append(thought)
        return sorted(groups.values())

    def tight(self, vectors: list[Vector]) -> bool:
        mean = [sum(column) for column in zip(*vectors, strict=True)]
        return all(distance(vector, mean) <= self.threshold for vector in vectors)
