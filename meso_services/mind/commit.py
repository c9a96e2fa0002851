"""An iteration becomes part of a mind: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import numpy as np

from meso_services.mind import changing, lines, registry, session, state, vectors
from meso_services.mind.session import SessionFile
from meso_services.mind.state import Made, Mind, Thought
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError


def commit(
    mind: Mind,
    made: Made,
    audit: dict[str, Any],
    also: Callable[[int], None] = lambda _: None,
) -> None:
    """Write an iteration and make it count, all of it or nothing. Raises `storage.*`.

    `also` writes what else belongs to it and is given its commit number.
    """
    number = mind.iteration + 1
    with changing.writing(mind):
        reread = state.refresh(mind)
        if mind.iteration != number - 1:
            raise MesoError("mind.busy", "another process ran an iteration meanwhile", status=409)
        _write(mind, made, number, session.action("iteration", audit, mind.iteration))
        also(number)
        session.write_head(mind.directory, SessionFile(iteration=number, config=mind.config))
        if reread:
            # Somebody set something meanwhile: the clusters in memory are those of before.
            state.reload(mind)
        else:
            _advance(mind, made, number)
        if number - mind.registry_at >= registry.EVERY:
            registry.save(mind.directory, mind.clusters, number)
            mind.registry_at = number


def _write(mind: Mind, made: Made, number: int, audit: dict[str, Any]) -> None:
    """Append to all files at once, so that the disk flushes them together."""
    top = mind.directory
    joined = [
        {**line, "newest": mind.made + len(made.thoughts) - 1}
        for line in registry.encode(made.changes, number)
    ]
    data = made.vectors.astype("<f4").tobytes() if made.vectors is not None else b""
    first = mind.next_message
    messages = [{"id": first + n, **line, "commit": number} for n, line in enumerate(made.messages)]
    thoughts = [
        {"id": mind.made + n, **line, "commit": number} for n, line in enumerate(made.thoughts)
    ]
    parts = {
        session.THOUGHTS: lines.encode(thoughts),
        vectors.NAME: data,
        session.MESSAGES: lines.encode(messages),
        session.ASSIGNMENTS: lines.encode(joined),
        session.INTERVENTIONS: lines.encode([audit]),
    }
    waiting = [
        mind._pool.submit(durable.append, top / name, piece)
        for name, piece in parts.items()
        if piece
    ]
    try:
        wait(waiting)
    finally:
        # Also when interrupted: nothing may still be written once the lock is let go.
        wait(waiting)
    for one in waiting:
        one.result()


def _advance(mind: Mind, made: Made, number: int) -> None:
    fresh = [
        Thought(mind.made + n, number - 1, line["mind"], line["text"])
        for n, line in enumerate(made.thoughts)
    ]
    if made.vectors is not None and fresh:
        size = mind.config.active_pool_size
        mind.vectors = np.concatenate([mind.vectors, made.vectors])[-size:]
    mind.thoughts.extend(fresh)
    mind.cluster_of |= {change.thought: change.cluster for change in made.changes}
    kept = {one.id for one in mind.thoughts}
    mind.cluster_of = {k: v for k, v in mind.cluster_of.items() if k in kept}
    mind.made += len(fresh)
    mind.iteration = number
    mind.assignments_size = state.length(mind, session.ASSIGNMENTS)
    _read_new_messages(mind, made, number)


def _read_new_messages(mind: Mind, made: Made, number: int) -> None:
    for line in made.messages:
        one = state.message({"id": mind.next_message, **line})
        mind.messages[one.source].append(one)
        mind.next_message += 1
    mind.messages_size = state.length(mind)
