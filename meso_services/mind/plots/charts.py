"""The four pictures of a session: clusters over iterations, drift, diversity, the pool's map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meso_services.mind.analysis import lives, measures, times
from meso_services.mind.analysis.record import NOISE, Record
from meso_services.mind.plots.frame import Frame
from meso_services.mind.plots.scene import GRID, INK, PALE, Dot, Path, Scene, Text, colour

# Clusters with a band of their own; the others share one.
BANDS = 10
POINTS = 160
_EMPTY = "no thoughts yet"


def clusters(record: Record) -> Scene:
    """How the active pool divides into clusters, over the iterations."""
    scene = Scene("clusters", "What the pool consists of")
    when = record.points(POINTS)
    if len(when) < 2 or not len(record.thoughts):
        Frame(scene, (0, 1), (0, 1)).nothing(_EMPTY)
        return scene
    named = _largest(record)
    counts = np.zeros((len(named) + 2, len(when)))
    for column, iteration in enumerate(when.tolist()):
        pool = record.pool(iteration)
        label = np.where(record.joined[pool] < iteration, record.cluster[pool], NOISE)
        for row, number in enumerate(named):
            counts[row, column] = (label == number).sum()
        counts[-1, column] = (label == NOISE).sum()
        counts[-2, column] = len(label) - counts[:, column].sum()
    frame = Frame(scene, (0, float(when[-1])), (0, max(1.0, float(counts.sum(axis=0).max()))))
    looks = [(colour(n), f"cluster_{n}") for n in named] + [(PALE, "others"), (GRID, "noise")]
    edges = np.vstack([np.zeros(len(when)), np.cumsum(counts, axis=0)])
    frame.draw()
    shown = []
    for row, (shade, words) in enumerate(looks):
        if not counts[row].any():
            continue
        shown.append((shade, words))
        top = [frame.place(x, y) for x, y in zip(when, edges[row + 1], strict=True)]
        below = [frame.place(x, y) for x, y in zip(when, edges[row], strict=True)]
        title = words if row >= len(named) else f"{words}: {_typical(record, named[row])}"
        scene.add(Path([*below, *top[::-1]], shade, fill=True, title=title))
    frame.legend(shown)
    return scene


def drift(record: Record) -> Scene:
    """How far the centroids of the largest clusters went from where they began."""
    scene = Scene("drift", "How far centroids went from their beginning")
    paths = lives.trajectories(record, BANDS)
    if not paths:
        Frame(scene, (0, 1), (0, 1)).nothing("no clusters yet")
        return scene
    highest = max((p["drift"] for path in paths for p in path["points"]), default=0.0)
    frame = Frame(scene, (0, max(1.0, float(record.iteration))), (0, max(0.01, highest * 1.05)))
    frame.draw()
    legend = []
    for path in paths:
        number = int(path["cluster"].removeprefix("cluster_"))
        line = [frame.place(p["iteration"], p["drift"]) for p in path["points"]]
        # A cluster that nobody joins any more stays where it is.
        line.append(frame.place(record.iteration, path["points"][-1]["drift"]))
        title = f"{path['cluster']}: {_typical(record, number)}"
        scene.add(Path(line, colour(number), 2, title=title))
        legend.append((colour(number), path["cluster"]))
    frame.legend(legend)
    return scene


def diversity(record: Record) -> Scene:
    """Diversity of the pool, its share of noise, and the novelty of what was made."""
    scene = Scene("diversity", "Diversity, noise and novelty")
    rows = [row for row in times.diversity(record, POINTS) if row["thoughts"] > 1]
    if not rows:
        Frame(scene, (0, 1), (0, 1)).nothing(_EMPTY)
        return scene
    fresh = times.novelty(record, POINTS // 2)
    top = max(1.0, *(row["diversity"] for row in rows), *(row["novelty"] for row in fresh))
    frame = Frame(scene, (0, max(1.0, float(record.iteration))), (0, top))
    frame.draw()
    lines = {
        "diversity": [frame.place(r["iteration"], r["diversity"]) for r in rows],
        "share of noise": [frame.place(r["iteration"], r["noise"]) for r in rows],
        "novelty": [frame.place((r["first"] + r["last"]) / 2, r["novelty"]) for r in fresh],
    }
    for number, (words, line) in enumerate(lines.items()):
        scene.add(Path(line, colour(number), 2, title=words))
    frame.legend([(colour(number), words) for number, words in enumerate(lines)])
    return scene


def pool(record: Record) -> Scene:
    """The active pool on its two principal axes; what lies near means something alike."""
    scene = Scene("map", "The pool: what lies near means something alike", height=640)
    held = record.pool(record.iteration)
    vectors = record.vectors[held]
    if len(vectors) < 2:
        Frame(scene, (0, 1), (0, 1)).nothing(_EMPTY)
        return scene
    mean, axes = measures.axes(vectors)
    places = (vectors - mean) @ axes
    (low_x, low_y), (high_x, high_y) = places.min(axis=0), places.max(axis=0)
    more_x = 0.06 * max(0.01, float(high_x - low_x))
    more_y = 0.06 * max(0.01, float(high_y - low_y))
    frame = Frame(
        scene,
        (float(low_x) - more_x, float(high_x) + more_x),
        (float(low_y) - more_y, float(high_y) + more_y),
    )
    frame.draw("first axis")
    labels = record.cluster[held]
    for row, (x, y) in enumerate(places.tolist()):
        number = int(labels[row])
        one = record.thoughts[held.start + row]
        age = record.iteration - int(one["iteration"])
        name = "noise" if number == NOISE else f"cluster_{number}"
        title = f"{name}, age {age}: {record.label(held.start + row, 300)}"
        shade = PALE if number == NOISE else colour(number)
        scene.add(Dot(frame.place(x, y), 3 if number == NOISE else 5, shade, title))
    there, sizes = np.unique(labels[labels != NOISE], return_counts=True)
    largest = there[np.argsort(-sizes, kind="stable")][:BANDS].tolist()
    for number in largest:
        # Above its most central member: the mean of two halves lies where nothing is.
        group = places[labels == number]
        central = np.linalg.norm(group - group.mean(axis=0), axis=1).argmin()
        x, y = frame.place(*group[central].tolist())
        scene.add(Text((x, y - 14), f"cluster_{number}", 12, INK, "middle"))
    frame.legend([(colour(n), f"cluster_{n}") for n in largest] + [(PALE, "noise")])
    return scene


CHARTS: dict[str, Callable[[Record], Scene]] = {
    "clusters": clusters,
    "drift": drift,
    "diversity": diversity,
    "map": pool,
}


def _largest(record: Record) -> list[int]:
    sizes = np.bincount(record.cluster[record.cluster >= 0], minlength=record.clusters)
    return [n for n in np.argsort(-sizes, kind="stable")[:BANDS].tolist() if sizes[n]]


def _typical(record: Record, number: int) -> str:
    members = record.members(number)
    held = record.vectors[members]
    return record.label(int(members[np.argmax(held @ measures.centroid(held))]))
