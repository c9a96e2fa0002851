"""Clusters on the disk: the assignments are the truth, the registry a shortcut to their sum."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from meso_services.mind import lines, splitting, vectors
from meso_services.mind.clustering import Change, Clusters
from meso_services.mind.lines import Line
from meso_services.mind.session import ASSIGNMENTS
from meso_services.runtime import durable

NAME = "clusters/registry.npz"
# The registry is written anew after so many iterations; fewer are replayed when opening.
EVERY = 64


def load(directory: Path, dimension: int, iteration: int) -> tuple[Clusters, int]:
    """The clusters as they are at `iteration`, and the iteration of the registry (0 without one).

    A registry that is missing, damaged or too new is passed over: everything is replayed.
    """
    clusters, since = _registry(directory, dimension, iteration)
    replayed: list[Line] = []
    for line in lines.newest(directory, ASSIGNMENTS, iteration):
        if line["commit"] <= since:
            break
        replayed.append(line)
    replayed.reverse()
    moved = vectors.rows(directory, dimension, [int(line["thought"]) for line in replayed])
    splitting.apply(clusters, [_change(line) for line in replayed], moved)
    return clusters, since


def save(directory: Path, clusters: Clusters, iteration: int) -> None:
    """Write the registry. Raises OSError."""
    held = io.BytesIO()
    count = clusters.count
    np.savez(held, sums=clusters.sums[:count], sizes=clusters.sizes[:count], iteration=iteration)
    durable.write(directory / NAME, held.getvalue())


def encode(changes: Sequence[Change], commit: int) -> list[Line]:
    """Changes as lines of the assignments."""
    return [
        {
            "commit": commit,
            "thought": change.thought,
            "cluster": change.cluster,
            "by": change.by,
            "distance": round(change.distance, 6),
            **({} if change.left is None else {"left": change.left}),
        }
        for change in changes
    ]


def members(directory: Path, iteration: int, cluster: int) -> dict[int, Line]:
    """The lines by which a cluster's members are in it, by thought, oldest first.

    A split leaves a thought's older lines where they are; the latest says where it is.
    """
    latest = {int(line["thought"]): line for line in lines.read(directory, ASSIGNMENTS, iteration)}
    return {t: latest[t] for t in sorted(latest) if latest[t]["cluster"] == cluster}


def _change(line: Line) -> Change:
    return Change(
        int(line["thought"]), int(line["cluster"]), line["by"], line["distance"], line.get("left")
    )


def _registry(directory: Path, dimension: int, iteration: int) -> tuple[Clusters, int]:
    empty = Clusters(dimension)
    try:
        with np.load(directory / NAME, allow_pickle=False) as held:
            sums, sizes, since = held["sums"], held["sizes"], int(held["iteration"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return empty, 0
    fits = sums.ndim == 2 and sums.shape == (len(sizes), dimension)
    if since > iteration or not fits:
        return empty, 0
    return empty.restored(sums, sizes), since
