"""Sessions with vectors of one's own choosing, committed as a run would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meso_services.contract.mind import MindConfig
from meso_services.mind import commit as committing
from meso_services.mind import session, state
from meso_services.mind.clustering import Change, Floats, normalised, step
from meso_services.mind.state import Made, Mind

WIDTH = 12
CONFIG = MindConfig(
    embedding_model="test/vectors", embedding_dim=WIDTH, active_pool_size=20, seed=1
)
_RNG_SIDE = 0.08


def towards(axis: int, rng: np.random.Generator, side: float = _RNG_SIDE) -> Floats:
    """A unit vector near an axis."""
    vector = np.zeros(WIDTH)
    vector[axis] = 1
    return normalised((vector + rng.normal(size=WIDTH) * side)[None].astype(np.float32))[0]


def grow(mind: Mind, vectors: Sequence[Floats], seen: Sequence[int] = (), say: str = "") -> None:
    """One iteration that makes these thoughts, clusters them, and may say something."""
    held = np.array(vectors, np.float32)
    fresh = list(range(mind.made, mind.made + len(held)))
    leaving = max(0, len(mind.thoughts) + len(held) - mind.config.active_pool_size)
    old = [row for row in mind.noise() if row >= leaving]
    ids = [mind.thoughts[row].id for row in old] + fresh
    everything = np.concatenate([mind.vectors[old], held]) if old else held
    rules = mind.rules()
    changes = step(
        mind.clusters, ids, everything, threshold=rules.threshold, min_size=rules.min_size
    )
    commit(mind, held, changes, seen, say)


def commit(
    mind: Mind,
    held: Floats,
    changes: list[Change],
    seen: Sequence[int] = (),
    say: str = "",
) -> None:
    """Write an iteration."""
    made = {"iteration": mind.iteration, "time": "2026-01-01T00:00:00+00:00"}
    lineage = {"thoughts": list(seen), "messages": [m.id for m in mind.pool()]}
    lines: list[dict[str, Any]] = [
        {**made, "mind": "mind_0", "text": f"thought {mind.made + n}", "from": lineage}
        for n in range(len(held))
    ]
    said = [{"source": "mind_0", "to": "user", "text": say, **made, "from": lineage}] if say else []
    committing.commit(mind, Made(lines, held, said, changes), {"minds": []})


def begun(place: Path, config: MindConfig = CONFIG) -> Mind:
    """A new session with one message."""
    session.init(place, "Hello.", config)
    return state.open_mind(place)
