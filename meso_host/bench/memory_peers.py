"""The same vectors in chromadb and sqlite-vec, asked one by one in a process of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meso_host.bench.areas import Note
from meso_host.bench.memory_data import Source
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_services.runtime import process

PLACE = tree.STATE / "peers" / "memory"
# apsw, because not every Python lets its own SQLite load an extension.
PACKAGES = ("chromadb", "sqlite-vec", "apsw", "numpy")
READY = "ready-with-apsw"
ASKED, BATCH = 100, 5000
# Each is told to store vectors by id and is asked for the ten nearest by the cosine. A cosine is
# a distance to neither of them unless it is said; both are given all the time they want to write.
PROGRAM = """
import json, statistics, sys, time
import numpy as np
which, place, vectors, queries = sys.argv[1:]
rows, asked = np.load(vectors, mmap_mode="r"), np.load(queries)
began = time.perf_counter()
if which == "chromadb":
    import chromadb
    client = chromadb.PersistentClient(
        place, chromadb.config.Settings(anonymized_telemetry=False))
    held = client.create_collection("bench", metadata={"hnsw:space": "cosine"})
    for n in range(0, len(rows), 5000):
        part = rows[n:n + 5000]
        held.add(ids=[str(n + i) for i in range(len(part))], embeddings=part.tolist())
    def ask(one):
        return [int(i) for i in held.query(query_embeddings=[one.tolist()], n_results=10)["ids"][0]]
else:
    import apsw, sqlite_vec
    held = apsw.Connection(place)
    held.enable_load_extension(True)
    held.load_extension(sqlite_vec.loadable_path())
    held.execute("create virtual table v using vec0("
                 f"id integer primary key, e float[{rows.shape[1]}] distance_metric=cosine)")
    with held:
        held.executemany("insert into v values (?, ?)",
                         ((i, row.tobytes()) for i, row in enumerate(np.asarray(rows))))
    def ask(one):
        return [i for i, in held.execute(
            "select id from v where e match ? and k = 10 order by distance", (one.tobytes(),))]
written = len(rows) / (time.perf_counter() - began)
found = [ask(one) for one in asked]
taken = []
for one in asked:
    began = time.perf_counter()
    ask(one)
    taken.append(time.perf_counter() - began)
hits = 0
for one, ids in zip(asked, found):
    best = np.argpartition(-(np.asarray(rows) @ one), 10)[:10]
    hits += len(set(best.tolist()) & set(ids))
print(json.dumps([statistics.median(taken) * 1e3, written, hits / 10 / len(asked)]))
"""


def run(note: Note, root: Path, source: Source, size: int, ours: float) -> Iterator[Record]:
    """Ours beside each of them; nothing of one that cannot be had here."""
    root.mkdir()
    held = np.lib.format.open_memmap(
        root / "vectors.npy", "w+", np.float32, (size, len(source.queries(1)[0][1]))
    )
    for start in range(0, size, BATCH):
        documents = source.documents(start, min(start + BATCH, size))
        held[start : start + BATCH] = [one.vector for one in documents]
    held.flush()
    np.save(root / "queries.npy", np.stack([vector for _, vector in source.queries(ASKED)]))
    for peer in ("sqlite-vec", "chromadb"):
        try:
            note(f"{peer} with {size} vectors")
            median, written, recall = _measure(root, peer)
        except process.CommandError as problem:
            note(f"{peer} cannot be measured: {problem}")
            continue
        beside = Against("peer", f"{peer}, recall@10 {recall:.3f}", median)
        yield Record(f"search by meaning, {size}, beside {peer}", ours, "ms p50", beside)
        yield Record(f"vectors written by {peer}, {size}", written, "a second")
    for file in root.glob("*.npy"):
        file.unlink()


def _measure(root: Path, peer: str) -> tuple[float, float, float]:
    if not (PLACE / READY).exists():
        process.run([sys.executable, "-m", "venv", PLACE], timeout=300)
        process.run([PLACE / "bin/pip", "install", "-q", *PACKAGES], timeout=1800)
        (PLACE / READY).touch()
    python, files = PLACE / "bin/python", (root / "vectors.npy", root / "queries.npy")
    found = process.run([python, "-c", PROGRAM, peer, root / peer, *files], timeout=3600)
    median, written, recall = json.loads(found.stdout.splitlines()[-1])
    return median, written, recall
