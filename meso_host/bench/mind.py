"""What a mind takes beside its model's reply, and what embedding a sentence takes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from meso_host.bench import embedding
from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import model as files
from meso_services.contract.mind import MindConfig
from meso_services.embedding.model import Embedder
from meso_services.mind import commit, runs, session, state, vectors
from meso_services.mind.clustering import Change, Clusters, Floats, normalised, step
from meso_services.mind.iteration import Around
from meso_services.mind.models import Heard, Reply
from meso_services.mind.state import Made, Mind
from meso_services.runtime.blas import one_thread

WIDTH, THOUGHTS, CLUSTERS = 384, 5000, 500
# Some twenty tokens at 150 a second, and four.
LINE_SECONDS, WORD_SECONDS = 0.13, 0.027


def run(note: Note) -> Iterator[Record]:
    """Iterations with a model that answers at once, opening, and embedding."""
    one_thread()
    with tempfile.TemporaryDirectory(prefix="meso-") as scratch:
        top = Path(scratch)
        note("iterations with a pool of 50")
        place = files.bring(note)
        embedder = Embedder(place)
        small = _small(top / "small", _Random())
        yield Record("an iteration, pool of 50, without embedding", small, "ms", _goal(15))
        real = _small(top / "real", _Local(embedder))
        name = "everything of an iteration but the model's reply, pool of 50"
        yield Record(f"{name} (three thoughts, said at once)", real, "ms", _goal(15))
        written = _small(top / "written", _Local(embedder), _Writing())
        yield Record(f"{name} (three thoughts, as a model writes)", written, "ms", _goal(15))
        note("a pool of 5,000 and 500 clusters")
        large = _iterated(_grown(top / "grown"), _Near(), 12)
        name = "everything but the reply and embedding, 5,000 thoughts, 500 clusters"
        yield Record(name, large, "ms", _goal(100))
        fast, slow = _large()
        naive = Against("peer", "a loop over clusters in Python", slow)
        yield Record("clustering 1,000 of 5,000 anew, 500 clusters", fast, "ms", naive)
        note("a session of 100,000 thoughts")
        opening, appending = _long(top / "large")
        yield Record("opening 100,000 thoughts", opening, "s", _goal(1))
        beside = Against("peer", "an iteration of a session of 60 thoughts", small)
        yield Record("an iteration after 100,000 thoughts", appending, "ms", beside)
        note("embedding")
        yield from embedding.records(embedder, place)


def _goal(value: float) -> Against:
    return Against("bound", "goal", value)


class _Instant:
    took = 0.0

    def ask(
        self, model: str, system: str, text: str, most_tokens: int, heard: Heard | None = None
    ) -> Reply:
        """Three thoughts at once."""
        return Reply("thoughts:\n  - one\n  - two\n  - three\n")


class _Writing:
    """A model that writes a line in the time that a fast one takes, told as it is written."""

    took = 0.0

    def ask(
        self, model: str, system: str, text: str, most_tokens: int, heard: Heard | None = None
    ) -> Reply:
        """Three thoughts; how long the reply took is kept, which is the model's time."""
        began, said = time.perf_counter(), ""
        thoughts = (f"  - {n}: {embedding.SENTENCE}\n" for n in range(3))
        for line in ("thoughts:\n", *thoughts, "messages: []\n"):
            time.sleep(LINE_SECONDS if line.startswith("  ") else WORD_SECONDS)
            said += line
            if heard is not None:
                heard(said)
        self.took = time.perf_counter() - began
        return Reply(said)


class _Random:
    def __init__(self) -> None:
        self._rng = np.random.default_rng(1)

    def embed(self, texts: list[str]) -> Floats:
        """Unit vectors of no meaning."""
        return normalised(self._rng.normal(size=(len(texts), WIDTH)).astype(np.float32))


class _Local:
    early = True

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed(self, texts: list[str]) -> Floats:
        """The local model's vectors, of sentences as long as thoughts are."""
        long = [t if len(t) > len(embedding.SENTENCE) else f"{t}: {embedding.SENTENCE}"
                for t in texts]  # fmt: skip
        return self._embedder.embed(long).vectors


class _Near:
    """Vectors near known centres, and a stranger."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(3)

    def embed(self, texts: list[str]) -> Floats:
        """One of no cluster, the others of some."""
        some = _centres()[self._rng.integers(CLUSTERS, size=len(texts))]
        some += self._rng.normal(size=some.shape).astype(np.float32) * np.float32(0.02)
        some[0] = self._rng.normal(size=WIDTH)
        return normalised(some)


def _centres() -> Floats:
    made = np.random.default_rng(2).normal(size=(CLUSTERS, WIDTH))
    return normalised(made.astype(np.float32))


def _small(place: Path, embedder: Any, model: Any = None) -> float:
    session.init(place, "Hello.", MindConfig(embedding_dim=WIDTH, active_pool_size=50, seed=1))
    mind = state.open_mind(place)
    _iterated(mind, embedder, 20)
    return _iterated(mind, embedder, 20, model)


def _iterated(mind: Mind, embedder: Any, count: int, model: Any = None) -> float:
    """Milliseconds of an iteration beyond the model's reply, the median."""
    model = model or _Instant()
    times, began = [], time.perf_counter()
    for _ in runs.run(mind, runs.Wish(count), Around(model, embedder)):
        times.append(time.perf_counter() - began - model.took)
        began = time.perf_counter()
    # The first one loads HDBSCAN.
    return 1000 * float(np.median(times[1:]))


def _grown(place: Path) -> Mind:
    """A pool of 5,000 in which a fifth is noise, and 500 clusters."""
    config = MindConfig(embedding_dim=WIDTH, active_pool_size=THOUGHTS, seed=1)
    session.init(place, "Hello.", config)
    mind = state.open_mind(place)
    rng = np.random.default_rng(4)
    numbers = [n % CLUSTERS for n in range(THOUGHTS * 4 // 5)]
    held = _centres()[numbers] + rng.normal(size=(len(numbers), WIDTH)) * 0.02
    held = np.concatenate([held, rng.normal(size=(THOUGHTS - len(numbers), WIDTH))])
    unit = normalised(held.astype(np.float32))
    mind.clusters.add(numbers, unit[: len(numbers)])
    changes = [Change(n, c, "hdbscan", 0.1) for n, c in enumerate(numbers)]
    made = {"iteration": 0, "time": "", "mind": "mind_0", "from": {}}
    thoughts = [{**made, "text": f"thought {n}"} for n in range(THOUGHTS)]
    commit.commit(mind, Made(thoughts, unit, [], changes), {})
    return mind


def _large() -> tuple[float, float]:
    """A step over 1,000 thoughts, and the naive reading of its matching: pair by pair."""
    rng = np.random.default_rng(2)
    centres = _centres()
    clusters = Clusters(WIDTH)
    clusters.add(list(range(CLUSTERS)), centres)
    fresh = normalised(rng.normal(size=(1000, WIDTH)).astype(np.float32))
    fresh[200:] = centres[rng.integers(CLUSTERS, size=800)]
    ids = list(range(1000))
    fast = _timed(lambda: step(clusters, ids, fresh, threshold=0.3, min_size=3))
    few = fresh[:50]
    slow = _timed(lambda: [[1 - float(np.dot(v, c)) for c in centres] for v in few]) * 20
    return 1000 * fast, 1000 * slow


def _long(place: Path) -> tuple[float, float]:
    """Seconds to open 100,000 thoughts, and milliseconds of an iteration more."""
    session.init(place, None, MindConfig(embedding_dim=WIDTH, seed=1))
    with (place / session.THOUGHTS).open("w") as out:
        for number in range(100_000):
            line = {
                "id": number,
                "iteration": 0,
                "mind": "mind_0",
                "text": embedding.SENTENCE,
                "commit": 0,
            }
            out.write(json.dumps(line) + "\n")
    with (place / vectors.NAME).open("wb") as raw:
        raw.truncate(100_000 * WIDTH * 4)
    opening = _timed(lambda: state.open_mind(place))
    return opening, _iterated(state.open_mind(place), _Random(), 20)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
