"""What can be asked of a mind: status, clusters, history. Plain data for JSON and tables."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from meso_services.mind import changing, drafts, lines, registry, session, splitting, vectors
from meso_services.mind.clustering import Change
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


def pools(mind: Mind) -> dict[str, Any]:
    """Both pools as they are now: thoughts oldest first with age and cluster, the messages that
    minds see, and the drafts that wait.
    """
    return {
        "iteration": mind.iteration,
        "presence": mind.config.presence,
        "thoughts": [
            {
                "thought": one.id,
                "mind": one.mind,
                "age": mind.iteration - one.iteration,
                "cluster": _name(mind.cluster_of.get(one.id)),
                "text": one.text,
            }
            for one in mind.thoughts
        ],
        "messages": [
            {
                "message": one.id,
                "source": one.source,
                "to": one.to,
                "age": mind.iteration - one.iteration,
                "time": one.time.isoformat(timespec="seconds"),
                "text": one.text,
            }
            for one in mind.pool()
        ],
        "drafts": [
            {"draft": line["id"], "source": line["source"], "text": line["text"]}
            for line in drafts.pending(mind)
        ],
    }


def _name(cluster: int | None) -> str | None:
    return None if cluster is None else f"cluster_{cluster}"


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
    directory, wanted = mind.directory, number_of(mind, name)
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


def number_of(mind: Mind, name: str) -> int:
    """The number in `cluster_N`. Raises `mind.no_such_cluster`."""
    number = name.removeprefix("cluster_")
    # Of ASCII digits: other scripts have digits too, which int() does not all read.
    if not (number.isascii() and number.isdecimal()) or int(number) >= mind.clusters.count:
        raise MesoError(
            "mind.no_such_cluster",
            f"there is no cluster {name!r}",
            status=404,
            hint="`mind cluster status` lists them",
        )
    return int(number)


def split(mind: Mind, name: str, *, dry_run: bool) -> list[dict[str, Any]]:
    """Divide a cluster, or with `dry_run` say what would be done: the new clusters, and what
    they are like. Raises `mind.no_such_cluster`, `mind.busy`.
    """
    number = number_of(mind, name)
    if dry_run:
        held = changing.members(mind, number)
        changes = splitting.plan(mind.clusters.count, number, held, mind.rules())
    else:
        changes = changing.split(mind, number)
    nearest: dict[int, list[Change]] = {}
    for change in changes:
        nearest.setdefault(change.cluster, []).append(change)
    chosen = {min(group, key=lambda c: c.distance).thought for group in nearest.values()}
    texts = {
        line["id"]: " ".join(line["text"].split())
        for line in lines.read(mind.directory, session.THOUGHTS, mind.iteration)
        if line["id"] in chosen
    }
    return [
        {
            "cluster": f"cluster_{new}",
            "from": name,
            "thoughts": len(group),
            "nearest": texts[min(group, key=lambda c: c.distance).thought],
        }
        for new, group in nearest.items()
    ]


def history(mind: Mind, limit: int) -> list[dict[str, Any]]:
    """The newest messages and interventions, oldest first."""
    # Oldest first before they are sorted: what has the same second stays in its order.
    said = [*islice(lines.newest(mind.directory, session.MESSAGES, mind.iteration), limit)][::-1]
    done = [*islice(lines.newest(mind.directory, session.INTERVENTIONS, 1 << 62), limit)][::-1]
    rows = [{"what": "message", **line} for line in said]
    rows += [{"what": line["type"], **line} for line in done if line["type"] != "message"]
    return sorted(rows, key=lambda row: row["time"])[-limit:]
