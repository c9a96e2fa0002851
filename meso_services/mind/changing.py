"""How a mind's files change, one writer at a time.

Two locks (on directories, so that no file of ours stands among the mind's): one process runs
iterations, and one at a time writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meso_services.contract.mind import MindConfig
from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, registry, session, splitting, state, vectors
from meso_services.mind.clustering import Change, Floats
from meso_services.mind.session import SessionFile
from meso_services.mind.state import Mind
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error


@contextlib.contextmanager
def running(directory: Path) -> Iterator[None]:
    """Be the one process that runs iterations. Raises `mind.busy`."""
    with _locked(directory / "thinking", wait=False):
        yield


@contextlib.contextmanager
def _locked(directory: Path, *, wait: bool) -> Iterator[None]:
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        said = DocumentError(directory.name, "", problem.strerror or str(problem))
        raise session.damaged(directory.parent, said) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError:
        raise MesoError(
            "mind.busy",
            f"another process runs iterations of {directory.parent.name!r}",
            status=409,
            hint="wait until it ends, or stop it",
        ) from None
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(mind: Mind) -> Iterator[None]:
    """Hold the writers' lock; what no completed iteration wrote is cut off first."""
    directory = mind.directory
    with _locked(directory, wait=True):
        try:
            head = session.read_head(directory)
            cut = {
                name: lines.trim(directory, name, head.iteration)
                for name in (session.THOUGHTS, session.MESSAGES, session.ASSIGNMENTS)
            }
            lines.trim(directory, session.INTERVENTIONS, 1 << 62)
            thoughts = session.thoughts_made(directory, head.iteration)
            vectors.trim(directory, head.config.embedding_dim, thoughts)
            if any(cut.values()):
                log(mind, "recovered", {name: n for name, n in cut.items() if n})
            yield
        except DocumentError as problem:
            raise session.damaged(directory, problem) from None
        except OSError as problem:
            raise storage_error(problem, directory) from None


def configure(mind: Mind, config: MindConfig, changed: dict[str, Any]) -> None:
    """Make `config` the mind's. Raises `mind.has_thoughts` for another embedding."""
    with writing(mind):
        state.refresh(mind)
        old = mind.config
        model = (config.embedding_model, config.embedding_dim)
        if mind.made and model != (old.embedding_model, old.embedding_dim):
            raise MesoError(
                "mind.has_thoughts",
                "the embedding cannot change: thoughts are there that were embedded by "
                f"{old.embedding_model}, {old.embedding_dim} numbers each",
                status=409,
                hint="make a new mind for another embedding",
            )
        session.write_head(mind.directory, SessionFile(iteration=mind.iteration, config=config))
        log(mind, "config", changed)
        state.refresh(mind)


def members(mind: Mind, cluster: int) -> tuple[list[int], Floats]:
    """A cluster's thoughts, oldest first, and their unit vectors row by row."""
    ids = list(registry.members(mind.directory, mind.iteration, cluster))
    return ids, vectors.rows(mind.directory, mind.config.embedding_dim, ids)


def split(mind: Mind, cluster: int) -> list[Change]:
    """Divide a cluster by hand, durably; no changes where it is of one piece. Raises `mind.busy`
    while iterations run, and `storage.*`.
    """
    with running(mind.directory), writing(mind):
        state.refresh(mind)
        before = mind.clusters.count
        held = members(mind, cluster)
        found = splitting.split(mind.clusters, cluster, held, mind.rules())
        if not found:
            return []
        try:
            top, newest = mind.directory, {"newest": mind.made - 1}
            moved = [{**line, **newest} for line in registry.encode(found, mind.iteration)]
            # The registry of this iteration does not know of it. The lines come whole or not.
            durable.remove(top / registry.NAME)
            kept = (top / session.ASSIGNMENTS).read_bytes()
            durable.write(top / session.ASSIGNMENTS, kept + lines.encode(moved))
            made = list(range(before, mind.clusters.count))
            log(mind, "split", {"cluster": cluster, "moved": len(found), "new_clusters": made})
        finally:
            state.reload(mind)
        return found


def say(mind: Mind, source: str, to: str, text: str) -> int:
    """Add a message to the pool, durably; its number. Raises `mind.*` and `storage.*`."""
    if source == session.USER and to not in mind.minds():
        raise MesoError(
            "mind.no_such_mind",
            f"there is no mind {to!r} in {mind.directory.name!r}",
            status=404,
            hint=f"these are there: {', '.join(mind.minds())}",
        )
    kept = session.prompt_text(text)
    with writing(mind):
        state.refresh(mind)
        moment = session.now()
        said = {"source": source, "to": to, "text": kept}
        line = {"id": mind.next_message, **said, "iteration": mind.iteration}
        line["time"] = moment.isoformat(timespec="seconds")
        durable.append(mind.directory / session.MESSAGES, lines.encode([line]))
        log(mind, "message", said)
        number = mind.next_message
        state.read_messages(mind)
        return number


def log(mind: Mind, kind: str, content: dict[str, Any]) -> None:
    """Append to the audit. Raises OSError."""
    line = session.action(kind, content, mind.iteration)
    durable.append(mind.directory / session.INTERVENTIONS, lines.encode([line]))
