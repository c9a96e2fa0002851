"""What identity and triggers cost: a genome of 10 MB, a thousand operons on one message."""

from __future__ import annotations

import hashlib
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_services.contract.identity_hash import read_generation
from meso_services.genome.match import Matcher
from meso_services.genome.merge import three_way
from meso_services.genome.models import Operon, OperonHead, OperonTests, Triggers
from meso_services.genome.situation import Situation

FILES, BYTES, COUNT, RUNS = 500, 20_000, 1000, 20
# Any words; what matters is that a thousand operons differ as real ones do.
_SYLLABLES = re.findall("..", "kalomituresanovipedufagihojunerisotavuwo")
_TESTS = OperonTests(loads=("a", "b", "c"), does_not_load=("d", "e", "f"))


def run(note: Note) -> Iterator[Record]:
    """Measure on this computer, without a service around it."""
    note("a genome of 10 MB")
    yield from _identity()
    note("a thousand operons")
    yield from _triggers()
    text = "".join(f"line {number}\n" for number in range(200))
    mine, theirs = text.replace("line 3\n", "mine\n"), text.replace("line 150\n", "theirs\n")
    merge = _median(lambda: three_way(text, mine, theirs))
    yield Record("three-way merge of a zooid of 200 lines", merge, "ms")


def _identity() -> Iterator[Record]:
    with tempfile.TemporaryDirectory(prefix="meso-genome-") as scratch:
        root = Path(scratch)
        rand = random.Random(1)  # noqa: S311 - the same genome every time
        for number in range(FILES):
            part = ("genome", "zooids", "operons")[number % 3]
            place = root / part / f"d{number % 20}" / f"{number}.md"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(rand.randbytes(BYTES))
        paths = [path for path in root.rglob("*") if path.is_file()]
        bare = _median(lambda: [hashlib.sha256(path.read_bytes()) for path in paths])
        whole = _median(lambda: read_generation(root))
    name = f"identity hash of {FILES * BYTES // 1_000_000} MB in {FILES} files"
    yield Record(name, whole, "ms", Against("bound", "goal", 50))
    yield Record(f"{name}, beside", whole, "ms", Against("peer", "reading and SHA-256 alone", bare))


def _triggers() -> Iterator[Record]:
    operons, message = _operons()
    began = time.perf_counter()
    matcher = Matcher(operons)
    yield Record(f"{COUNT} operons: compile their triggers", _since(began), "ms")
    began = time.perf_counter()
    first = matcher.match(message, 8000)
    goal = Against("bound", "goal", 5)
    yield Record(f"{COUNT} operons on a message, cold", _since(began), "ms")
    if not first.loaded:
        raise RuntimeError("the bench's message loads nothing, so it measures nothing")
    yield Record(
        f"{COUNT} operons on a message", _median(lambda: matcher.match(message, 8000)), "ms", goal
    )
    around = Situation(message, ("src/a.x7", "b.md"), ("bash",), ("clean the cellar",))
    situation = _median(lambda: matcher.match(around, 8000))
    yield Record(f"{COUNT} operons on files, tools and tasks too", situation, "ms", goal)


def _operons() -> tuple[list[Operon], str]:
    rand = random.Random(2)  # noqa: S311 - the same operons every time
    words = ["".join(rand.choices(_SYLLABLES, k=3)) for _ in range(4 * COUNT)]
    operons = []
    for number in range(COUNT):
        a, b, c, d = words[4 * number : 4 * number + 4]
        triggers = Triggers(
            words=(f"{a}*", f"{b} {c}"),
            patterns=(rf"\b{d} (of|for) \w+", rf"{a[:3]}-\d{{2,4}}"),
            files=(f"*.x{number}",),
            tasks=(c,),
        )
        head = OperonHead(
            name=f"o{number}",
            version="v1",
            description="For the bench",
            budget_tokens=100,
            triggers=triggers,
        )
        operons.append(Operon(head, "text", 50, _TESTS))
    said = " ".join(rand.sample(words, 90))
    return operons, f"{said} {words[4]} and {words[7]} of something"


def _median(work: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(_since(began))
    return sorted(times)[RUNS // 2]


def _since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)
