"""A whole session as arrays: the ground that every analysis stands on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meso_services.contract.mind import MindConfig
from meso_services.files.strict_yaml import DocumentError
from meso_services.mind import lines, pool_sizes, session, vectors
from meso_services.mind.clustering import Floats
from meso_services.runtime.blas import one_thread

Ints = NDArray[np.int64]
NOISE = -1


@dataclass(frozen=True)
class Record:
    """Thoughts in the order they were made, each array of length (thoughts).

    `made` is the iteration of a thought, `cluster` its cluster (NOISE without one) and `joined`
    the iteration in which it joined. `vectors` (thoughts, dimension) are unit vectors.
    """

    directory: Path
    iteration: int
    config: MindConfig
    thoughts: list[dict[str, Any]]
    made: Ints
    vectors: Floats
    cluster: Ints
    joined: Ints
    messages: list[dict[str, Any]]
    sizes: pool_sizes.Sizes

    @cached_property
    def clusters(self) -> int:
        """How many clusters there have been."""
        return int(self.cluster.max(initial=NOISE)) + 1

    def before(self, iteration: int) -> int:
        """How many thoughts were there when an iteration began."""
        return int(np.searchsorted(self.made, iteration))

    def pool(self, iteration: int) -> slice:
        """The active pool as an iteration found it, by the `active_pool_size` of that time."""
        end = self.before(iteration)
        return slice(max(0, end - pool_sizes.at(self.sizes, iteration)), end)

    def members(self, cluster: int) -> Ints:
        """The thoughts of a cluster, oldest first."""
        found: Ints = np.flatnonzero(self.cluster == cluster)
        return found

    def label(self, number: int, width: int = 60) -> str:
        """The beginning of a thought's text, on one line."""
        text = " ".join(str(self.thoughts[number]["text"]).split())
        return text if len(text) <= width else text[: width - 1] + "…"

    def points(self, most: int) -> Ints:
        """At most so many iterations, evenly over the session, the last one among them."""
        count = min(most, self.iteration + 1)
        found: Ints = np.unique(np.linspace(0, self.iteration, count).round().astype(np.int64))
        return found


def load(directory: Path) -> Record:
    """Read a session. Raises `mind.not_found` and `mind.damaged`."""
    one_thread()
    try:
        head = session.read_head(directory)
        thoughts = list(lines.read(directory, session.THOUGHTS, head.iteration))
        count = len(thoughts)
        cluster, joined = np.full(count, NOISE), np.full(count, NOISE)
        for line in lines.read(directory, session.ASSIGNMENTS, head.iteration):
            # A thought that a split moved has several lines; the latest is where it is.
            cluster[line["thought"]] = line["cluster"]
            joined[line["thought"]] = max(0, line["commit"] - 1)
        return Record(
            directory,
            head.iteration,
            head.config,
            thoughts,
            np.array([line["iteration"] for line in thoughts], np.int64),
            vectors.rows(directory, head.config.embedding_dim, range(count)),
            cluster,
            joined,
            list(lines.read(directory, session.MESSAGES, head.iteration)),
            pool_sizes.read(directory, head.config.active_pool_size),
        )
    except DocumentError as problem:
        raise session.damaged(directory, problem) from None
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        said = DocumentError("thinking", "", f"a line that is not known: {problem!r}")
        raise session.damaged(directory, said) from None
