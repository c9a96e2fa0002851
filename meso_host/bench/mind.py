"""What a mind takes beside its model's reply, and what embedding a sentence takes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import model as files
from meso_services.contract.mind import MindConfig
from meso_services.embedding.model import Embedder
from meso_services.mind import runs, session, state, vectors
from meso_services.mind.clustering import Clusters, Floats, normalised, step
from meso_services.mind.iteration import Around
from meso_services.mind.models import Reply

WIDTH = 384
SENTENCE = "What should a mind remember of a long conversation about gardens?"


def run(note: Note) -> Iterator[Record]:
    """Iterations with a model that answers at once, opening, and embedding."""
    with tempfile.TemporaryDirectory(prefix="meso-") as scratch:
        top = Path(scratch)
        note("iterations with a pool of 50")
        yield Record("an iteration, pool of 50", _iterations(top / "small", 50), "ms", _goal(15))
        note("a pool of 5,000 and 500 clusters")
        fast, slow = _large()
        naive = Against("peer", "a loop over clusters in Python", slow)
        yield Record("clustering, 5,000 thoughts and 500 clusters", fast, "ms", naive)
        note("a session of 100,000 thoughts")
        yield Record("opening 100,000 thoughts", _opening(top / "large"), "s", _goal(1))
        note("embedding")
        yield Record("embedding a sentence", _embedding(note), "ms", _goal(8))


def _goal(value: float) -> Against:
    return Against("bound", "goal", value)


class _Instant:
    def ask(self, model: str, system: str, text: str, most_tokens: int) -> Reply:
        """Three thoughts at once."""
        return Reply("thoughts:\n  - one\n  - two\n  - three\n")


class _Random:
    def __init__(self) -> None:
        self._rng = np.random.default_rng(1)

    def embed(self, texts: list[str]) -> Floats:
        """Unit vectors of no meaning."""
        return normalised(self._rng.normal(size=(len(texts), WIDTH)).astype(np.float32))


def _iterations(place: Path, pool: int) -> float:
    config = MindConfig(embedding_dim=WIDTH, active_pool_size=pool, seed=1)
    session.init(place, "Hello.", config)
    mind = state.open_mind(place)
    around = Around(_Instant(), _Random())  # type: ignore[arg-type]
    times, began = [], time.perf_counter()
    for _ in runs.run(mind, runs.Wish(40), around):
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
    # The first ones load HDBSCAN.
    return 1000 * float(np.median(times[20:]))


def _large() -> tuple[float, float]:
    rng = np.random.default_rng(2)
    centres = normalised(rng.normal(size=(500, WIDTH)).astype(np.float32))
    clusters = Clusters(WIDTH)
    clusters.add(list(range(500)), centres)
    fresh = normalised(rng.normal(size=(5000, WIDTH)).astype(np.float32))
    fresh[500:] = centres[rng.integers(500, size=4500)]
    ids = list(range(5000))
    fast = _timed(lambda: step(clusters, ids, fresh, threshold=0.3, min_size=3))
    few = fresh[:25]
    slow = _timed(lambda: [[1 - float(np.dot(v, c)) for c in centres] for v in few]) * 200
    return 1000 * fast, 1000 * slow


def _opening(place: Path) -> float:
    session.init(place, None, MindConfig(embedding_dim=WIDTH))
    with (place / session.THOUGHTS).open("w") as out:
        for number in range(100_000):
            line = {"id": number, "iteration": 0, "mind": "mind_0", "text": SENTENCE, "commit": 0}
            out.write(json.dumps(line) + "\n")
    with (place / vectors.NAME).open("wb") as raw:
        raw.truncate(100_000 * WIDTH * 4)
    return _timed(lambda: state.open_mind(place))


def _embedding(note: Note) -> float:
    model = Embedder(files.bring(note))
    model.embed([SENTENCE])
    return 1000 * min(_timed(lambda: model.embed([SENTENCE])) for _ in range(20))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
