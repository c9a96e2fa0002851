"""From a write to the search that finds it, through the services, embedding included."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from meso_host.bench.areas import Note
from meso_host.bench.haystacks import haystack
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_host.testing.local import started
from meso_services.contract.client import Connection
from meso_services.contract.memory import SearchReply, WriteReply, WriteRequest

# What is there already when it is measured, and how many writes are.
BEFORE, WRITES = 400, 100
GOAL = Against("bound", "goal", 25)


def run(note: Note, model: Path) -> Iterator[Record]:
    """The memory manager and the embedding service on this computer's disk, nothing imitated.

    A memory is searchable when its write is answered: the search right after finds it, or the
    bench fails.
    """
    note("starting the memory manager and the embedding service")
    with ExitStack() as stack:
        place = tempfile.TemporaryDirectory(prefix="b-", dir=tree.STATE)
        root = Path(stack.enter_context(place))
        # One source would be slowed down, which is not what is measured.
        _configure(root, {"embed": {}, "memory-manager": {"source_per_minute": 0}})
        for service in ("embed", "memory-manager"):
            stack.enter_context(started(service, root, {"MESO_MODEL": str(model)}))
        memory = stack.enter_context(Connection("memory-manager", root / "run/meso"))
        texts = _texts(BEFORE + WRITES)
        for number, text in enumerate(texts[:BEFORE]):
            note(f"writing memories, {number} of {BEFORE}")
            memory.post("/v1/memories", WriteRequest(content=text), WriteReply)
        note("from a write to its search")
        written, found = zip(*(_once(memory, text) for text in texts[BEFORE:]), strict=True)
    name = "a write, embedded, durable and searchable, median"
    yield Record(name, _at(sorted(written), 0.5), "ms", GOAL)
    yield Record("of these, 99th percentile", _at(sorted(written), 0.99), "ms")
    yield Record("the search that finds it, its query embedded, median", _at(sorted(found), 0.5),
                 "ms")  # fmt: skip


def _once(memory: Connection, text: str) -> tuple[float, float]:
    """Milliseconds of the write, and of the search that finds it. Raises RuntimeError."""
    began = time.perf_counter()
    made = memory.post("/v1/memories", WriteRequest(content=text), WriteReply).memory
    written = time.perf_counter()
    reply = memory.get("/v1/search", SearchReply, q=text[:200], limit=10)
    done = time.perf_counter()
    if made.id not in [hit.id for hit in reply.hits]:
        raise RuntimeError(f"what was written is not found: {text!r}")
    return 1000 * (written - began), 1000 * (done - written)


def _texts(count: int) -> list[str]:
    """Sentences of people, all different."""
    found: dict[str, None] = {}
    seed = 0
    while len(found) < count:
        lines = (line for talk in haystack(seed, 50).sessions for line in talk)
        found |= {f"{line} ({seed}, {number})": None for number, line in enumerate(lines)}
        seed += 1
    return list(found)[:count]


def _configure(root: Path, services: dict[str, dict[str, object]]) -> None:
    place = root / "generation/config"
    place.mkdir(parents=True)
    for service, settings in services.items():
        (place / f"{service}.json").write_text(json.dumps(settings))
    current = root / "run/meso/current"
    current.parent.mkdir(parents=True)
    current.symlink_to(root / "generation")


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]
