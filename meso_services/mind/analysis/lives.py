"""The clusters of a session: their lives, their shapes, where their centroids went."""

from __future__ import annotations

from typing import Any

import numpy as np

from meso_services.mind.analysis import measures
from meso_services.mind.analysis.record import Ints, Record
from meso_services.mind.clustering import Doubles


def lives(record: Record) -> list[dict[str, Any]]:
    """Every cluster: when it was born and last joined, how it stands, and its shape."""
    return [_life(record, number) for number in range(record.clusters)]


def _life(record: Record, number: int) -> dict[str, Any]:
    members = record.members(number)
    if not len(members):
        # All members went to others when it was split or never came.
        return {"cluster": f"cluster_{number}", "size": 0, "active": 0, "state": "empty"}
    held = record.vectors[members]
    order = in_order(record, members)
    joined = record.joined[order]
    path = centroids(record, order)
    active = int((members >= record.pool(record.iteration).start).sum())
    variances = measures.spread(held)
    middle = measures.centroid(held)
    return {
        "cluster": f"cluster_{number}",
        "size": len(members),
        "active": active,
        "born": int(joined[0]),
        "latest": int(joined[-1]),
        "state": _state(record, joined, active),
        "returns": len(np.unique(joined)),
        "coherence": round(measures.coherence(held), 4),
        "aspect_ratio": round(measures.aspect_ratio(variances), 3),
        "dimensionality": round(measures.effective_dimensionality(variances), 2),
        "drift": round(measures.distance(path[0], path[-1]), 4),
        "nearest": record.label(int(members[np.argmax(held @ middle)])),
    }


def _state(record: Record, joined: Ints, active: int) -> str:
    """Growing, steady or fading by its joins of the last fifth of its life; gone without any
    member in the pool.
    """
    if not active:
        return "gone"
    life = record.iteration - int(joined[0])
    fifth = max(1, life // 5)
    lately = int((joined >= record.iteration - fifth).sum())
    usual = len(joined) * fifth / max(1, life)
    if lately > 1.5 * usual:
        return "growing"
    return "fading" if lately < 0.5 * usual else "steady"


def in_order(record: Record, members: Ints) -> Ints:
    """Members in the order in which they joined."""
    return members[np.argsort(record.joined[members], kind="stable")]


def centroids(record: Record, order: Ints) -> Doubles:
    """The centroid after each iteration with a join, shape (such iterations, dimension)."""
    sums = np.cumsum(record.vectors[order].astype(np.float64), axis=0)
    joined = record.joined[order]
    last = np.flatnonzero(np.append(joined[1:] != joined[:-1], True))
    found: Doubles = sums[last]
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return found


def trajectories(record: Record, most: int = 12) -> list[dict[str, Any]]:
    """Where the centroids of the largest clusters went: at each join the iteration, the distance
    from the beginning, and the place on a common map of two axes.
    """
    sizes = np.bincount(record.cluster[record.cluster >= 0], minlength=record.clusters)
    chosen = [n for n in np.argsort(-sizes, kind="stable")[:most].tolist() if sizes[n]]
    if not chosen:
        return []
    orders = {n: in_order(record, record.members(n)) for n in chosen}
    paths = {n: centroids(record, orders[n]) for n in chosen}
    mean, axes = measures.axes(np.concatenate(list(paths.values())).astype(np.float32))
    found = []
    for number in chosen:
        path, when = paths[number], np.unique(record.joined[orders[number]])
        steps = 1 - (path[1:] * path[:-1]).sum(axis=1)
        places = (path - mean) @ axes
        # At most two hundred points of a path are told; its length is of all.
        kept = np.unique(np.linspace(0, len(path) - 1, min(len(path), 200)).round().astype(int))
        found.append(
            {
                "cluster": f"cluster_{number}",
                "length": round(float(steps.sum()), 4),
                "drift": round(measures.distance(path[0], path[-1]), 4),
                "points": [
                    {
                        "iteration": int(when[i]),
                        "drift": round(measures.distance(path[0], path[i]), 4),
                        "x": round(float(places[i, 0]), 4),
                        "y": round(float(places[i, 1]), 4),
                    }
                    for i in kept.tolist()
                ],
            }
        )
    return found


def attractors(record: Record, most: int = 10) -> list[dict[str, Any]]:
    """What the mind keeps returning to: clusters by how much of all thought they took, times in
    how many of the iterations of their lives they were returned to.
    """
    total = max(1, len(record.thoughts))
    rows = []
    for life in lives(record):
        if not life["size"]:
            continue
        share = life["size"] / total
        constancy = life["returns"] / max(1, record.iteration - life["born"])
        pull = round(share * min(1.0, constancy), 4)
        kept = {key: life[key] for key in ("cluster", "size", "state", "born", "nearest")}
        rows.append(
            {
                **kept,
                "share": round(share, 4),
                "constancy": round(min(1.0, constancy), 4),
                "pull": pull,
            }
        )
    return sorted(rows, key=lambda row: (-row["pull"], -row["size"]))[:most]
