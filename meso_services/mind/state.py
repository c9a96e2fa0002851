"""An opened mind: its pools in memory, as its files say.

Opening reads what the pools hold, not what has ever been thought. `changing` and `commit` write.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from meso_services.contract.mind import MindConfig
from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, registry, session, splitting, vectors
from meso_services.mind.clustering import Change, Clusters, Floats
from meso_services.mind.session import SessionFile
from meso_services.runtime.blas import one_thread


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
    mind.assignments_size = length(mind, session.ASSIGNMENTS)
    read_messages(mind)
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


def read_messages(mind: Mind) -> None:
    """Read the messages, unless the file is as long as it was."""
    end, start = length(mind), mind.messages_size
    if end == start:
        return
    if not 0 <= start < end:
        size = mind.config.message_buffer_per_source
        mind.messages = defaultdict(lambda: deque(maxlen=size))
        mind.next_message, start = 0, 0
    # Only what came in since is read: the file holds all that was ever said.
    for line in lines.read(mind.directory, session.MESSAGES, mind.iteration, start=start):
        one = message(line)
        mind.messages[one.source].append(one)
        mind.next_message = one.id + 1
    mind.messages_size = end


def length(mind: Mind, name: str = session.MESSAGES) -> int:
    """The bytes of a file; below 0 without it."""
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


def message(line: dict[str, Any]) -> MessageKept:
    """A line of the messages. Raises DocumentError."""
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


def refresh(mind: Mind) -> bool:
    """Take in what another process has said or set meanwhile; True if everything was read."""
    head = session.read_head(mind.directory)
    split = length(mind, session.ASSIGNMENTS) != mind.assignments_size
    if split or (head.iteration, head.config) != (mind.iteration, mind.config):
        reload(mind)
        return True
    read_messages(mind)
    return False


def reload(mind: Mind) -> None:
    """Make the memory what the files say."""
    fresh = _read(mind.directory, session.read_head(mind.directory))
    for name in Mind.__slots__:
        if not name.startswith("_"):
            setattr(mind, name, getattr(fresh, name))
