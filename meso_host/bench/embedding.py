"""What embedding takes: a sentence, many, the first one of a process, and memory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meso_host.bench.record import Against, Record
from meso_services.embedding import forward
from meso_services.embedding.model import Embedder
from meso_services.embedding.weights import Floats
from meso_services.runtime import process

SENTENCE = "What should a mind remember of a long conversation about gardens?"
TREE = Path(__file__).resolve().parents[2]
# A process as meso-embed is one: its imports, its model, one sentence, then full windows.
_COLD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import meso_services.embed.app
from meso_services.embedding.model import Embedder, locate
imported = time.process_time()
model = Embedder(locate())
loaded = time.process_time()
model.embed([sys.argv[2]])
first = time.process_time()
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
one = peak()
model.embed([sys.argv[2] * 40] * 32)
print(json.dumps({"imports": imported, "load": loaded - imported, "first": first - loaded,
                  "one": one, "many": peak()}))
"""


@dataclass(frozen=True, slots=True)
class Cold:
    """A fresh process: seconds of CPU by what they went to, and its peak memory in MiB after one
    sentence and after 32 texts of a full window.
    """

    imports: float
    load: float
    first: float
    one: float
    many: float


def records(model: Embedder, place: Path) -> Iterator[Record]:
    """One sentence, and one of many; beside the same model with plain products of matrices."""
    fast = 1000 * min(_timed(model, 1) for _ in range(20))
    many = 1000 * min(_timed(model, 32) for _ in range(3)) / 32
    with _plain_products(model):
        plain = 1000 * min(_timed(model, 1) for _ in range(20))
    yield Record("embedding a sentence", fast, "ms", Against("bound", "goal", 8))
    naive = Against("peer", "plain matrix products, the naive forward pass", plain)
    yield Record("embedding a sentence, again", fast, "ms", naive)
    yield Record("embedding one of 32 sentences", many, "ms", Against("bound", "goal", 8))
    cold = fresh(place)
    goal = Against("bound", "goal", 250)
    yield Record("memory of the embedding process, one sentence, peak", cold.one, "MiB", goal)
    yield Record("the same after 32 texts of a full window, peak", cold.many, "MiB", goal)
    yield Record("a fresh process's imports, CPU", cold.imports, "s")
    yield Record("its model's loading, CPU", cold.load, "s")
    yield Record("its first sentence, CPU", cold.first, "s")


def fresh(place: Path) -> Cold:
    """Measure a process of its own; `place` has the model. Raises CommandError."""
    argv = [sys.executable, "-c", _COLD, str(TREE), SENTENCE]
    said = process.run(argv, env={"MESO_MODEL": str(place)}).stdout
    return Cold(**json.loads(said))


@contextmanager
def _plain_products(model: Embedder) -> Iterator[None]:
    whole: dict[int, Floats] = {}

    def product(rows: Floats, panels: Floats, bias: Floats) -> Floats:
        if id(panels) not in whole:
            joined = panels.transpose(1, 0, 2).reshape(panels.shape[1], -1)
            whole[id(panels)] = joined.copy()
        found: Floats = rows @ whole[id(panels)] + bias
        return found

    real = forward._product
    forward._product = product
    try:
        model.embed([SENTENCE])
        yield
    finally:
        forward._product = real


def _timed(model: Embedder, count: int) -> float:
    began = time.perf_counter()
    model.embed([SENTENCE] * count)
    return time.perf_counter() - began
