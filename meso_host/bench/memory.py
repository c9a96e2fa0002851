"""Memory: search at three sizes, recall and room of the graph, quality, and peers beside it."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from meso_host.bench import memory_data, memory_peers, memory_service
from meso_host.bench.areas import Note
from meso_host.bench.haystacks import WAYS, haystack
from meso_host.bench.record import Against, Record
from meso_host.setup import model as files
from meso_host.setup import tree
from meso_services.embedding.model import DIMENSION, Embedder
from meso_services.memory import themes
from meso_services.memory.embedded.engine import EXACT_TO, EmbeddedEngine
from meso_services.memory.engine import Document, Floats
from meso_services.memory.search import Parameters, search
from meso_services.memory.words import words_of

SIZES = (10_000, 100_000, 1_000_000)
BOUNDS = {10_000: 5.0, 100_000: 20.0, 1_000_000: 15.0}
RECALL, R_AT_5 = 0.98, 0.95
ASKED, HAYSTACKS, SESSIONS = 100, 54, 50
PEERS_UP_TO = 100_000
_BATCH = 5000
# MESO_BENCH_MEMORIES makes a shorter run: no size above it.
MOST = int(os.environ.get("MESO_BENCH_MEMORIES", SIZES[-1]))


def run(note: Note) -> Iterator[Record]:
    """Everything on the disk that the project lies on: `/tmp` is often none."""
    model = files.bring(note)
    yield from memory_service.run(note, model)
    embedder = Embedder(model)
    yield from _quality(note, embedder)
    note("reading texts to imitate")
    source = memory_data.Source(embedder)
    with tempfile.TemporaryDirectory(prefix="meso-bench-", dir=tree.STATE) as place:
        root = Path(place)
        for size in SIZES:
            if size <= MOST:
                yield from _at(note, root / str(size), source, size)


def _at(note: Note, place: Path, source: memory_data.Source, size: int) -> Iterator[Record]:
    """Filling, exact and approximate search, recall, room."""
    before = _anonymous()
    engine = EmbeddedEngine(place, DIMENSION, "bench")
    began = time.perf_counter()
    for start in range(0, size, _BATCH):
        note(f"writing memories, {start} of {size}")
        engine.put(source.documents(start, min(start + _BATCH, size)))
    rate = size / (time.perf_counter() - began)
    yield Record(f"memories written, up to {size}", rate, "a second", more_is_better=True)
    queries = source.queries(ASKED)
    note(f"searching {size} memories")
    exact = [[one.id for one in engine.by_vector(v, limit=10)] for _, v in queries]
    if size > EXACT_TO:
        began = time.perf_counter()
        while left := engine.tend(10):
            note(f"building the graph, {size - left} of {size}")
        seconds = time.perf_counter() - began
        yield Record(f"building the graph of {size}", seconds, "s")
        found = [[one.id for one in engine.by_vector(v, limit=10)] for _, v in queries]
        hits = sum(len({*a} & {*b}) for a, b in zip(exact, found, strict=True))
        goal = Against("bound", "goal", RECALL)
        share = hits / sum(map(len, exact))
        yield Record(f"recall@10 at {size}", share, "", goal, more_is_better=True)
    hybrid = _median(lambda n: search(engine, *queries[n], limit=10, now=0.0))
    bound = Against("bound", "goal", BOUNDS[size])
    yield Record(f"search by words and meaning, {size}", hybrid, "ms p50", bound)
    meaning = _median(lambda n: engine.by_vector(queries[n][1], limit=10))
    yield Record(f"search by meaning alone, {size}", meaning, "ms p50")
    words = _median(lambda n: engine.by_words(queries[n][0], limit=10))
    yield Record(f"search by words alone, {size}", words, "ms p50")
    million = 1_000_000 / size / (1 << 20)
    memory = max(0, _anonymous() - before) * million
    yield Record(f"memory per million, measured at {size}", memory, "MiB")
    disk = sum(file.stat().st_blocks * 512 for file in place.iterdir()) * million
    yield Record(f"disk per million, measured at {size}", disk, "MiB")
    if size <= themes.MOST:
        note(f"themes of {size} memories")
        began = time.perf_counter()
        themes.find(engine)
        yield Record(f"themes of {size} memories", time.perf_counter() - began, "s")
    engine.close()
    if size <= PEERS_UP_TO:
        yield from memory_peers.run(note, place / "peers", source, size, meaning)


def _quality(note: Note, embedder: Embedder) -> Iterator[Record]:
    """R@5 of sessions: hybrid, its parts alone, and the fusion by ranks that was not taken."""
    ways: dict[str, Callable[[EmbeddedEngine, Sequence[str], Floats], list[str]]] = {
        "words and meaning": lambda e, w, v: _sources(e, w, v, Parameters()),
        "BM25 alone": lambda e, w, _: _sources(e, w, None, Parameters()),
        "embeddings alone": lambda e, _, v: _sources(e, (), v, Parameters()),
        "fused by ranks": lambda e, w, v: _sources(e, w, v, Parameters(fusion="ranks")),
    }
    hits = {name: dict.fromkeys(WAYS, 0) for name in ways}
    for seed in range(HAYSTACKS):
        note(f"haystack {seed + 1} of {HAYSTACKS}")
        one = haystack(seed, SESSIONS)
        lines = [(n, line) for n, talk in enumerate(one.sessions) for line in talk]
        vectors = embedder.embed([one.question, *(line for _, line in lines)]).vectors
        with tempfile.TemporaryDirectory(prefix="meso-bench-") as place:
            engine = EmbeddedEngine(Path(place), DIMENSION, "bench")
            engine.put(
                [
                    Document(f"{row:05}", "", line, source=str(n), vector=vectors[row + 1])
                    for row, (n, line) in enumerate(lines)
                ]
            )
            for name, way in ways.items():
                sources = way(engine, words_of(one.question), vectors[0])
                hits[name][one.way] += str(one.answer) in sources[:5]
            engine.close()
    goal = Against("bound", "goal", R_AT_5)
    for name, by_way in hits.items():
        against = goal if name == "words and meaning" else None
        what, share = f"R@5 among {SESSIONS} sessions, {name}", sum(by_way.values()) / HAYSTACKS
        yield Record(what, share, "", against, more_is_better=True)
        for asked, count in by_way.items():
            share = count * len(WAYS) / HAYSTACKS
            yield Record(f"{what}, asked {asked}", share, "", more_is_better=True)


def _sources(
    engine: EmbeddedEngine, words: Sequence[str], vector: Floats | None, by: Parameters
) -> list[str]:
    """The sessions of what was found, each once."""
    found = search(engine, words, vector, limit=50, now=0.0, parameters=by)
    return list(dict.fromkeys(str(one.document.source) for one in found))


def _median(ask: Callable[[int], object]) -> float:
    """Milliseconds; each query is asked once before it counts."""
    taken = []
    for number in range(ASKED):
        ask(number)
    for number in range(ASKED):
        began = time.perf_counter()
        ask(number)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def _anonymous() -> int:
    """This process's memory that is not the page cache's, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
