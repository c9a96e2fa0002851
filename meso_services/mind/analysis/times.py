"""What changes over a session: diversity, novelty, and the sliding-window view."""

from __future__ import annotations

from typing import Any

import numpy as np

from meso_services.mind import pool_sizes
from meso_services.mind.analysis import measures
from meso_services.mind.analysis.record import NOISE, Record
from meso_services.mind.clustering import MOST_NOISE, Doubles, groups
from meso_services.runtime.errors import MesoError

# A new thought is held against so many of the pool's newest at most.
MOST_COMPARED = 512


def diversity(record: Record, points: int = 100) -> list[dict[str, Any]]:
    """The pool at points of time: mean distance of its pairs, in how many directions it extends,
    how many equally large clusters it amounts to, and how much of it is noise.
    """
    rows = []
    for iteration in record.points(points).tolist():
        pool = record.pool(iteration)
        held = record.vectors[pool]
        known = (record.cluster[pool] != NOISE) & (record.joined[pool] < iteration)
        labels = record.cluster[pool][known]
        counts = np.unique(labels, return_counts=True)[1].tolist()
        variances = measures.spread(held)
        rows.append(
            {
                "iteration": iteration,
                "thoughts": len(held),
                "diversity": _short(measures.diversity(held)),
                "dimensionality": _short(measures.effective_dimensionality(variances)),
                "clusters": len(counts),
                "perplexity": _short(measures.perplexity(counts)),
                "noise": _short(1 - len(labels) / len(held) if len(held) else 0.0),
            }
        )
    return rows


def novelty(record: Record, points: int = 100) -> list[dict[str, Any]]:
    """How far thoughts are from the nearest one that was in the pool when they were made.

    Means over equal spans of iterations. The first thoughts, which had none before them, take no
    part.
    """
    far = nearest_before(record)
    edges = record.points(points + 1)
    rows = []
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        span = slice(record.before(first), record.before(end))
        some = far[span][~np.isnan(far[span])]
        if len(some):
            row = {"first": first, "last": end - 1, "thoughts": len(some)}
            middle, least = _short(float(np.median(some))), _short(float(some.min()))
            rows.append(
                {**row, "novelty": _short(float(some.mean())), "median": middle, "least": least}
            )
    return rows


def nearest_before(record: Record) -> Doubles:
    """Per thought, the cosine distance to the nearest of the pool before its iteration; NaN for
    the first. Shape (thoughts).
    """
    count = len(record.vectors)
    far = np.full(count, np.nan)
    reaches = np.array(
        [min(pool_sizes.at(record.sizes, one), MOST_COMPARED) for one in record.made.tolist()]
    )
    ends = np.searchsorted(record.made, record.made)
    for at in range(0, count, 256):
        block = np.arange(at, min(count, at + 256))
        begin = max(0, int((ends[block] - reaches[block]).min()))
        earlier = np.arange(begin, int(ends[block[-1]]))
        if not len(earlier):
            continue
        cosine = record.vectors[block] @ record.vectors[earlier].T
        end, reach = ends[block][:, None], reaches[block][:, None]
        cosine[(earlier >= end) | (earlier < end - reach)] = -np.inf
        best = cosine.max(axis=1)
        far[block] = np.where(np.isinf(best), np.nan, np.maximum(0, 1 - best.astype(np.float64)))
    return far


def windows(record: Record, size: int = 50, step: int = 25) -> list[dict[str, Any]]:
    """The view of before there were lasting clusters: each window of iterations is clustered by
    itself, and a group follows the group of the window before that it is nearest to.

    Raises `mind.bad_range` for a window or step below 1.
    """
    if size < 1 or step < 1:
        raise MesoError("mind.bad_range", "a window and its step are 1 at least", status=422)
    rows: list[dict[str, Any]] = []
    before: list[tuple[int, Doubles]] = []
    following = 0
    threshold = record.config.centroid_match_threshold
    # No window begins after the end, also where the step is longer than the window.
    last = min(record.iteration, record.iteration - size + step)
    for first in range(0, max(1, last), step):
        end = min(first + size, record.iteration)
        span = np.arange(record.before(first), record.before(end))[-MOST_NOISE:]
        held = record.vectors[span]
        found = groups(held, record.config.min_cluster_size, threshold)
        now: list[tuple[int, Doubles]] = []
        shown = []
        for members in found:
            middle = measures.centroid(held[members])
            number = _followed(middle, before, now, threshold)
            if number is None:
                number, following = following, following + 1
            now.append((number, middle))
            typical = record.label(int(span[members][np.argmax(held[members] @ middle)]))
            shown.append({"group": number, "size": len(members), "nearest": typical})
        noise = len(span) - sum(map(len, found))
        row = {"first": first, "last": end - 1, "thoughts": len(span), "noise": noise}
        rows.append({**row, "groups": shown})
        before = now
    return rows


def _followed(
    middle: Doubles,
    before: list[tuple[int, Doubles]],
    taken: list[tuple[int, Doubles]],
    threshold: float,
) -> int | None:
    """The group of the window before that this one goes on, if there is one and it is free."""
    near = min(((measures.distance(middle, c), n) for n, c in before), default=(9.0, 0))
    free = near[1] not in {number for number, _ in taken}
    return near[1] if near[0] <= threshold and free else None


def _short(value: float) -> float:
    return round(value, 4)
