"""One door to every analysis, by name; for the command and for the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meso_services.mind.analysis import compare, lives, messages, record, times
from meso_services.mind.analysis.messages import Embed
from meso_services.mind.analysis.record import Record
from meso_services.runtime.errors import MesoError

Given = Mapping[str, Any]


def overview(held: Record) -> dict[str, Any]:
    """The session in one page."""
    pool = times.diversity(held, 2)[-1]
    return {
        "session": str(held.directory),
        "iteration": held.iteration,
        "thoughts": len(held.thoughts),
        "messages": len(held.messages),
        "clusters": held.clusters,
        "pool": {key: value for key, value in pool.items() if key != "iteration"},
        "novelty": (times.novelty(held, 4) or [{}])[-1],
        "attractors": lives.attractors(held, 3),
    }


_WAYS: dict[str, Callable[[Record, Given, Embed | None], Any]] = {
    "overview": lambda held, _, __: overview(held),
    "diversity": lambda held, given, _: times.diversity(held, given["points"]),
    "novelty": lambda held, given, _: times.novelty(held, given["points"]),
    "attractors": lambda held, _, __: lives.attractors(held),
    "clusters": lambda held, _, __: lives.lives(held),
    "trajectory": lambda held, _, __: lives.trajectories(held),
    "impact": lambda held, given, embed: messages.impact(held, given["span"], embed),
    "lineage": lambda held, given, _: messages.lineage(
        held, given["of"], given["number"], given["depth"]
    ),
    "windows": lambda held, given, _: times.windows(held, given["size"], given["step"]),
}
WHAT = (*_WAYS, "compare")
DEFAULTS: Given = {
    "points": 40,
    "span": 5,
    "of": "thought",
    "number": 0,
    "depth": 3,
    "size": 50,
    "step": 25,
}


def ask(
    directory: Path,
    what: str,
    given: Given,
    *,
    other: Path | None = None,
    embed: Embed | None = None,
) -> Any:
    """The answer as plain data. Raises `mind.*`."""
    values = {**DEFAULTS, **{k: v for k, v in given.items() if v is not None}}
    held = record.load(directory)
    if what == "compare":
        if other is None:
            raise MesoError("mind.no_other", "compare with which session?", status=422)
        return compare.compare(held, record.load(other))
    return _WAYS[what](held, values, embed)
