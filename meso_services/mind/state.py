"""An opened mind: its pools in memory, and the one way its files change.

Opening reads what the pools hold, not what has ever been thought. Two locks (on directories, so
that no file of ours stands among the mind's): one process runs iterations, and one at a time
writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from meso_services.contract.mind import MindConfig
from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, registry, session, splitting, vectors
from meso_services.mind.clustering import Change, Clusters, Floats
from meso_services.mind.session import SessionFile
from meso_services.runtime import durable
from meso_services.runtime.blas import one_thread
from meso_services.runtime.errors import MesoError, storage_error


@dataclass(frozen=True, slots=True)
class Thought:
    """A thought of the active pool. `iteration` is the one it was made in."""

    id: int
    iteration: int
    mind: str
    text: str


@dataclass(frozen=True, slots=True)
class MessageKept:
    """A message of the message pool."""

    id: int
    source: str
    to: str
    text: str
    iteration: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """What an iteration made, ready to be committed. Vectors belong to thoughts, row by row."""

    thoughts: Sequence[dict[str, Any]] = ()
    vectors: Floats | None = None
    messages: Sequence[dict[str, Any]] = ()
    changes: Sequence[Change] = ()
    drafts: Sequence[dict[str, Any]] = ()


@dataclass(slots=True)
class Mind:
    """The state of one session directory."""

    directory: Path
    iteration: int
    config: MindConfig
    thoughts: deque[Thought]
    vectors: Floats
    made: int
    messages: dict[str, deque[MessageKept]]
    next_message: int
    clusters: Clusters
    cluster_of: dict[int, int]
    registry_at: int = 0
    messages_size: int = -1
    assignments_size: int = -1
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(5))

    def minds(self) -> dict[str, str]:
        """Names of all minds of the session and their models, mind_0 first."""
        return {session.FIRST_MIND: self.config.model, **self.config.minds}

    def pool(self) -> list[MessageKept]:
        """The message pool, oldest first."""
        return sorted((m for kept in self.messages.values() for m in kept), key=lambda m: m.id)

    def rules(self) -> splitting.Rules:
        """What decides whether groups belong together."""
        return splitting.Rules(self.config.centroid_match_threshold, self.config.min_cluster_size)

    def noise(self) -> list[int]:
        """Rows of the active pool that are in no cluster."""
        return [n for n, one in enumerate(self.thoughts) if one.id not in self.cluster_of]


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


def open_mind(directory: Path) -> Mind:
    """Read the pools. Raises `mind.not_found` and `mind.damaged`."""
    one_thread()
    try:
        head = session.read_head(directory)
        return _read(directory, head)
    except DocumentError as problem:
        raise session.damaged(directory, problem) from None


def _read(directory: Path, head: SessionFile) -> Mind:
    config, iteration = head.config, head.iteration
    active: deque[Thought] = deque(maxlen=config.active_pool_size)
    made = 0
    for line in lines.newest(directory, session.THOUGHTS, iteration):
        made = made or int(line["id"]) + 1
        active.appendleft(_thought(line))
        if len(active) == config.active_pool_size:
            break
    ids = [one.id for one in active]
    clusters, since = registry.load(directory, config.embedding_dim, iteration)
    mind = Mind(
        directory,
        iteration,
        config,
        active,
        vectors.rows(directory, config.embedding_dim, ids),
        made,
        {},
        0,
        clusters,
        _assigned(directory, iteration, set(ids)),
        since,
    )
    mind.assignments_size = _length(mind, session.ASSIGNMENTS)
    _read_messages(mind)
    return mind


def _assigned(directory: Path, iteration: int, ids: set[int]) -> dict[int, int]:
    """The clusters of the thoughts in the active pool."""
    found: dict[int, int] = {}
    if not ids:
        return found
    oldest = min(ids)
    for line in lines.newest(directory, session.ASSIGNMENTS, iteration):
        # A thought cannot have been assigned before it was made.
        if int(line.get("newest") or line["thought"]) < oldest:
            break
        if line["thought"] in ids:
            # Newest first: where a split has put it.
            found.setdefault(int(line["thought"]), int(line["cluster"]))
    return found


def _read_messages(mind: Mind) -> None:
    """Read the messages, unless the file is as long as it was."""
    length, start = _length(mind), mind.messages_size
    if length == start:
        return
    if not 0 <= start < length:
        size = mind.config.message_buffer_per_source
        mind.messages = defaultdict(lambda: deque(maxlen=size))
        mind.next_message, start = 0, 0
    # Only what came in since is read: the file holds all that was ever said.
    for line in lines.read(mind.directory, session.MESSAGES, mind.iteration, start=start):
        one = _message(line)
        mind.messages[one.source].append(one)
        mind.next_message = one.id + 1
    mind.messages_size = length


def _length(mind: Mind, name: str = session.MESSAGES) -> int:
    try:
        return (mind.directory / name).stat().st_size
    except OSError:
        return -2  # reading it says what is wrong


def _thought(line: dict[str, Any]) -> Thought:
    try:
        mind = line.get("mind", session.FIRST_MIND)
        return Thought(int(line["id"]), int(line["iteration"]), mind, str(line["text"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise DocumentError(session.THOUGHTS, "", f"a line lacks {problem}") from None


def _message(line: dict[str, Any]) -> MessageKept:
    try:
        return MessageKept(
            int(line["id"]),
            str(line["source"]),
            str(line["to"]),
            str(line["text"]),
            int(line["iteration"]),
            datetime.fromisoformat(line["time"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise DocumentError(session.MESSAGES, "", f"a line lacks {problem}") from None


def members(mind: Mind, cluster: int) -> tuple[list[int], Floats]:
    """A cluster's thoughts, oldest first, and their unit vectors row by row."""
    ids = list(registry.members(mind.directory, mind.iteration, cluster))
    return ids, vectors.rows(mind.directory, mind.config.embedding_dim, ids)


def split(mind: Mind, cluster: int) -> list[Change]:
    """Divide a cluster by hand, durably; no changes where it is of one piece. Raises `mind.busy`
    while iterations run, and `storage.*`.
    """
    with running(mind.directory), writing(mind):
        refresh(mind)
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
            reload(mind)
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
        refresh(mind)
        moment = session.now()
        said = {"source": source, "to": to, "text": kept}
        line = {"id": mind.next_message, **said, "iteration": mind.iteration}
        line["time"] = moment.isoformat(timespec="seconds")
        durable.append(mind.directory / session.MESSAGES, lines.encode([line]))
        log(mind, "message", said)
        number = mind.next_message
        _read_messages(mind)
        return number


def log(mind: Mind, kind: str, content: dict[str, Any]) -> None:
    """Append to the audit. Raises OSError."""
    line = session.action(kind, content, mind.iteration)
    durable.append(mind.directory / session.INTERVENTIONS, lines.encode([line]))


def refresh(mind: Mind) -> bool:
    """Take in what another process has said or set meanwhile; True if everything was read."""
    head = session.read_head(mind.directory)
    split = _length(mind, session.ASSIGNMENTS) != mind.assignments_size
    if split or (head.iteration, head.config) != (mind.iteration, mind.config):
        reload(mind)
        return True
    _read_messages(mind)
    return False


def reload(mind: Mind) -> None:
    """Make the memory what the files say."""
    fresh = _read(mind.directory, session.read_head(mind.directory))
    for name in Mind.__slots__:
        if not name.startswith("_"):
            setattr(mind, name, getattr(fresh, name))


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
        refresh(mind)
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
        refresh(mind)


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
    with writing(mind):
        reread = refresh(mind)
        if mind.iteration != number - 1:
            raise MesoError("mind.busy", "another process ran an iteration meanwhile", status=409)
        _write(mind, made, number, session.action("iteration", audit, mind.iteration))
        also(number)
        session.write_head(mind.directory, SessionFile(iteration=number, config=mind.config))
        if reread:
            # Somebody set something meanwhile: the clusters in memory are those of before.
            reload(mind)
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
    mind.assignments_size = _length(mind, session.ASSIGNMENTS)
    _read_new_messages(mind, made, number)


def _read_new_messages(mind: Mind, made: Made, number: int) -> None:
    for line in made.messages:
        one = _message({"id": mind.next_message, **line})
        mind.messages[one.source].append(one)
        mind.next_message += 1
    mind.messages_size = _length(mind)
