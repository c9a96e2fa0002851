"""Which match threshold fits an embedding model: measured on texts whose themes are known.

Models differ in how far apart they put sentences of one theme, so a threshold belongs to its
model. Two things are measured of each text. How far it is from the centroid of the other texts of
its theme: so near a cluster must take it in. And, as if its theme were new, how far it is from
the nearest other centroid: so near a cluster must not. The threshold that best parts both is the
one with the largest difference between the share rightly taken in and the share wrongly taken in
(Youden's J: 1 is perfect, 0 is chance).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meso_services.files.strict_yaml import DocumentError, load_mapping
from meso_services.mind.clustering import Doubles, Floats, normalised
from meso_services.mind.embedders import Embedder
from meso_services.mind.themes import THEMES
from meso_services.runtime.errors import MesoError

Texts = Mapping[str, Sequence[str]]
CANDIDATES = tuple(round(0.01 * n, 2) for n in range(1, 121))
# Candidates so near to the best one are equally good; the middle one is taken.
EQUAL = 0.02
MOST_TEXTS = 2000
# Below, a threshold is little better than chance.
POOR = 0.3


def own() -> Texts:
    """The texts that come with the program."""
    return THEMES


def read(path: Path) -> Texts:
    """A YAML file with a list of texts for each theme. Raises `mind.bad_texts`."""
    try:
        held = load_mapping(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError, DocumentError) as problem:
        raise _bad(f"{path}: {problem}") from None
    return checked(held, str(path))


def checked(held: Mapping[str, Any], where: str) -> Texts:
    """Labelled texts that can be measured. Raises `mind.bad_texts`, which names `where`."""
    for theme, texts in held.items():
        listed = isinstance(texts, (list, tuple))
        fine = listed and all(isinstance(t, str) and t.strip() for t in texts)
        if not fine or len(texts) < 2:
            raise _bad(f"{where}: {theme}: a theme is a list of two texts or more")
    if len(held) < 2 or sum(map(len, held.values())) > MOST_TEXTS:
        raise _bad(f"{where}: two themes at least, and at most {MOST_TEXTS} texts")
    return held


def explained(embedder: Embedder, texts: Texts, model: str, now: float) -> dict[str, Any]:
    """`calibrate`, and in words what it found for `model` and of the threshold that is set `now`.

    Raises what the embedder raises.
    """
    found = calibrate(embedder, texts, now)
    own, other = (spread["half"] for spread in found["distances"])
    best, set_now = found.pop("best"), found.pop("now")
    parts = [
        f"Half of {found['texts']} texts of {found['themes']} themes are within {own} of the "
        f"centroid of their own theme, and half within {other} of the nearest other one.",
        _shares(best),
        f"Anything from {found['equally_good']} is as good.",
    ]
    if best["parted"] < POOR:
        parts.append("No threshold parts these themes well: the model puts them at like distances.")
    if set_now["threshold"] != best["threshold"]:
        parts.append(f"Set now. {_shares(set_now)}")
    return {"model": model, **found, "set_now": now, "explained": parts}


def _shares(row: Mapping[str, Any]) -> str:
    right, wrong = (round(100 * row[key]) for key in ("rightly_taken", "wrongly_taken"))
    return (
        f"At {row['threshold']} a cluster takes in {right} of 100 thoughts of its theme and "
        f"{wrong} of 100 of a new theme."
    )


def calibrate(embedder: Embedder, texts: Texts, now: float = 0.3) -> dict[str, Any]:
    """The threshold, how well it parts the themes (J), the distances that explain it, and the
    shares at the `best` one and at the one that is set `now`.

    Raises what the embedder raises.
    """
    labels = np.array([n for n, group in enumerate(texts.values()) for _ in group])
    flat = [text for group in texts.values() for text in group]
    near, far = distances(normalised(embedder.embed(flat)), labels)
    marks = np.array([*CANDIDATES, now])
    rightly = np.array([((near <= t) & (near < far)).mean() for t in marks])
    wrongly = np.array([(far <= t).mean() for t in marks])
    at_now = _row(now, rightly[-1], wrongly[-1])
    rightly, wrongly = rightly[:-1], wrongly[:-1]
    parted = rightly - wrongly
    at = first = last = int(parted.argmax())
    while first > 0 and parted[first - 1] >= parted[at] - EQUAL:
        first -= 1
    while last + 1 < len(parted) and parted[last + 1] >= parted[at] - EQUAL:
        last += 1
    chosen = (first + last) // 2
    told = sorted({chosen, *range(chosen % 5, len(CANDIDATES), 5)})
    return {
        "threshold": CANDIDATES[chosen],
        "parted": round(float(parted[chosen]), 3),
        "equally_good": f"{CANDIDATES[first]} to {CANDIDATES[last]}",
        "texts": len(flat),
        "themes": len(texts),
        "distances": [
            _spread("to its own theme", near),
            _spread("to the nearest other", far),
        ],
        "best": _row(CANDIDATES[chosen], rightly[chosen], wrongly[chosen]),
        "now": at_now,
        "candidates": [
            _row(CANDIDATES[n], rightly[n], wrongly[n])
            for n in told
            if rightly[n] > 0.0 and wrongly[n] < 1.0
        ],
    }


def distances(vectors: Floats, labels: Any) -> tuple[Doubles, Doubles]:
    """Of each unit vector: to the centroid of the others of its label, and to the nearest other
    one. Cosine distances, each of shape (texts).
    """
    exact = vectors.astype(np.float64)
    sums = np.stack([exact[labels == t].sum(axis=0) for t in range(int(labels.max()) + 1)])
    near, far = np.empty(len(exact)), np.empty(len(exact))
    for row, (vector, label) in enumerate(zip(exact, labels.tolist(), strict=True)):
        middles = sums.copy()
        middles[label] -= vector
        middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-12)
        away = 1 - middles @ vector
        near[row] = away[label]
        far[row] = np.delete(away, label).min()
    return near, far


def _row(threshold: float, rightly: float, wrongly: float) -> dict[str, Any]:
    return {
        "threshold": threshold,
        "rightly_taken": round(float(rightly), 3),
        "wrongly_taken": round(float(wrongly), 3),
        "parted": round(float(rightly - wrongly), 3),
    }


def _spread(name: str, values: Doubles) -> dict[str, Any]:
    marks = (("tenth", 10), ("half", 50), ("nine_tenths", 90))
    return {"distance": name, **{m: round(float(np.percentile(values, p)), 3) for m, p in marks}}


def _bad(said: str) -> MesoError:
    return MesoError(
        "mind.bad_texts",
        said,
        status=422,
        hint="a YAML file: each theme a key, with a list of its texts",
    )
