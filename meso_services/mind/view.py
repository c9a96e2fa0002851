"""What can be asked of a mind: status, clusters, history. Plain data for JSON and tables."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from meso_services.mind import drafts, lines, registry, session, vectors
from meso_services.mind.state import Mind
from meso_services.runtime.errors import MesoError


def status(mind: Mind) -> dict[str, Any]:
    """Iteration, pools, clusters."""
    pool = mind.pool()
    return {
        "session": str(mind.directory),
        "iteration": mind.iteration,
        "minds": mind.minds(),
        "thinking_pool": {
            "thoughts": mind.made,
            "active": len(mind.thoughts),
            "noise": len(mind.noise()),
        },
        "message_pool": {"messages": len(pool), "sources": sorted({m.source for m in pool})},
        "clusters": mind.clusters.count,
        "drafts": len(drafts.pending(mind)),
        "embedding": f"{mind.config.embedding_model} ({mind.config.embedding_dim})",
    }


def cluster_rows(mind: Mind) -> list[dict[str, Any]]:
    """Every cluster: members ever and in the active pool, how alike they are, the most typical
    active member.
    """
    coherence = mind.clusters.coherence()
    active: dict[int, list[int]] = {}
    for row, one in enumerate(mind.thoughts):
        if one.id in mind.cluster_of:
            active.setdefault(mind.cluster_of[one.id], []).append(row)
    found = []
    for number in range(mind.clusters.count):
        rows = active.get(number, [])
        typical = ""
        if rows:
            near = mind.vectors[rows] @ mind.clusters.units[number]
            typical = mind.thoughts[rows[int(np.argmax(near))]].text
        found.append(
            {
                "name": f"cluster_{number}",
                "size": int(mind.clusters.sizes[number]),
                "active": len(rows),
                "coherence": round(float(coherence[number]), 4),
                "nearest": typical.replace("\n", " "),
            }
        )
    return found


def members(mind: Mind, name: str) -> list[dict[str, Any]]:
    """The members of `cluster_N`, oldest first, also those that have left the pool.

    Raises `mind.no_such_cluster`.
    """
    number = name.removeprefix("cluster_")
    if not number.isdecimal() or int(number) >= mind.clusters.count:
        raise MesoError(
            "mind.no_such_cluster",
            f"there is no cluster {name!r}",
            status=404,
            hint="`mind cluster status` lists them",
        )
    directory, wanted = mind.directory, int(number)
    ids = registry.members(directory, mind.iteration, wanted)
    unit = mind.clusters.units[wanted]
    held = vectors.rows(directory, mind.config.embedding_dim, list(ids))
    distance = dict(zip(ids, (1 - held @ unit).tolist(), strict=True))
    return [
        {
            "thought": line["id"],
            "iteration": line["iteration"],
            "joined": ids[line["id"]]["commit"] - 1,
            "by": ids[line["id"]]["by"],
            "distance": round(distance[line["id"]], 4),
            "text": line["text"],
        }
        for line in lines.read(directory, session.THOUGHTS, mind.iteration)
        if line["id"] in ids
    ]


def history(mind: Mind, limit: int) -> list[dict[str, Any]]:
    """The newest messages and interventions, oldest first."""
    said = islice(lines.newest(mind.directory, session.MESSAGES, mind.iteration), limit)
    done = islice(lines.newest(mind.directory, session.INTERVENTIONS, 1 << 62), limit)
    rows = [{"what": "message", **line} for line in said]
    rows += [{"what": line["type"], **line} for line in done if line["type"] != "message"]
    return sorted(rows, key=lambda row: row["time"])[-limit:]
