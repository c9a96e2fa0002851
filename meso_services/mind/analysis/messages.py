"""What messages did: how thinking changed after one, and what anything stems from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from meso_services.mind.analysis import measures
from meso_services.mind.analysis.record import Record
from meso_services.mind.clustering import Floats
from meso_services.runtime.errors import MesoError

Embed = Callable[[Sequence[str]], Floats]


def impact(record: Record, span: int = 5, embed: Embed | None = None) -> list[dict[str, Any]]:
    """Every message, with how thinking changed from the `span` iterations before it to those
    after.

    `shift` is the cosine distance of both means, `unusual` the share of all moments of the session
    at which it was smaller, `new_clusters` what was born after, `exposed` how many thoughts were
    made with the message in sight. With `embed`, `pull` says how much nearer the thoughts came to
    the message itself (messages have no vectors of their own). Raises what `embed` raises.
    """
    usual = np.array([s for t in range(record.iteration) if (s := _shift(record, t, span)) >= 0])
    born = _births(record)
    texts = [str(message["text"]) for message in record.messages]
    held = embed(texts) if embed and texts else None
    seen = _exposure(record)
    rows = []
    for number, message in enumerate(record.messages):
        # What a mind said in an iteration can be answered from the next one on.
        at = int(message["iteration"]) + ("commit" in message)
        shift = _shift(record, at, span)
        known = shift >= 0
        row: dict[str, Any] = {
            "message": message["id"],
            "source": message["source"],
            "to": message["to"],
            "iteration": message["iteration"],
            "shift": round(shift, 4) if known else None,
            "unusual": round(float((usual < shift).mean()), 3) if known and len(usual) else None,
            "new_clusters": [f"cluster_{n}" for n, b in born.items() if at <= b < at + span],
            "exposed": seen.get(int(message["id"]), 0),
            "text": " ".join(texts[number].split())[:80],
        }
        if held is not None:
            before, after = (record.vectors[s] @ held[number] for s in _spans(record, at, span))
            both = len(before) > 0 and len(after) > 0
            row["pull"] = round(float(after.mean() - before.mean()), 4) if both else None
        rows.append(row)
    return rows


def lineage(record: Record, what: str, number: int, depth: int = 3) -> dict[str, Any]:
    """A thought or message with what its mind saw when it was made, `depth` steps back.

    Each thing stands in the tree once, where it is met first. Raises `mind.no_such_thing`.
    """
    known = {
        "thought": {int(line["id"]): line for line in record.thoughts},
        "message": {int(line["id"]): line for line in record.messages},
    }
    if what not in known or number not in known[what]:
        raise MesoError(
            "mind.no_such_thing",
            f"there is no {what} {number}",
            status=404,
            hint="`mind history` and `mind cluster show` tell the numbers",
        )
    top: dict[str, Any] = {}
    waiting = [(what, number, 0, top)]
    met = {(what, number)}
    # Breadth first: what stands nearest is told in full before what lies further back.
    for kind, one, level, into in waiting:
        line = known[kind][one]
        into |= {"what": kind, "id": one, "iteration": line["iteration"]}
        into |= {"mind": line.get("mind") or line.get("source"), "text": line["text"], "from": []}
        saw = line.get("from") or {}
        for name in ("thought", "message"):
            for other in saw.get(f"{name}s", ()) if level < depth else ():
                if other in known[name] and (name, other) not in met:
                    met.add((name, other))
                    below: dict[str, Any] = {}
                    into["from"].append(below)
                    waiting.append((name, other, level + 1, below))
    return top


def _spans(record: Record, at: int, span: int) -> tuple[slice, slice]:
    middle = record.before(at)
    return slice(record.before(at - span), middle), slice(middle, record.before(at + span))


def _shift(record: Record, at: int, span: int) -> float:
    """-1 where one side has no thoughts."""
    before, after = (record.vectors[s] for s in _spans(record, at, span))
    if not len(before) or not len(after):
        return -1.0
    return max(0.0, measures.distance(measures.centroid(before), measures.centroid(after)))


def _births(record: Record) -> dict[int, int]:
    known = record.cluster >= 0
    born = np.full(record.clusters, np.iinfo(np.int64).max)
    np.minimum.at(born, record.cluster[known], record.joined[known])
    return dict(enumerate(born.tolist()))


def _exposure(record: Record) -> dict[int, int]:
    counts: dict[int, int] = {}
    for line in record.thoughts:
        for number in (line.get("from") or {}).get("messages", ()):
            counts[int(number)] = counts.get(int(number), 0) + 1
    return counts
