"""Sessions: durable appends, branches, checkpoints and contexts of long sessions, beside peers."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from meso_host.bench import session_peers
from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_host.testing.local import started
from meso_services.contract.branches import MakeBranch
from meso_services.contract.checkpoints import MakeCheckpoint
from meso_services.contract.client import Connection, SessionManager
from meso_services.contract.session import CreateSession, NewEntries, NewEntry
from meso_services.session_manager.checkpoints.make import Neighbours, make
from meso_services.session_manager.checkpoints.shelf import Shelf
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.model.context import context
from meso_services.session_manager.neighbours.identity import Identities
from meso_services.session_manager.neighbours.memory import Memories
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.tree import branches

LONG, LARGE = 1_000_000, 100_000
WRITERS, APPENDS = 48, 24_000
CLIENTS, ASKED = 16, 2000
BATCH = 1000
TIMES = 50
BUDGET = 100_000
RATE = Against("bound", "goal", 2000)
# MESO_BENCH_ENTRIES makes a shorter run; the figures' names say how long the session was.
ENTRIES = int(os.environ.get("MESO_BENCH_ENTRIES", LONG))


def run(note: Note) -> Iterator[Record]:
    """Everything on the disk that the project lies on: `/tmp` is often none."""
    with tempfile.TemporaryDirectory(prefix="meso-bench-", dir=tree.STATE) as place:
        root = Path(place)
        note("appending")
        rate, own = _appends(root / "appends")
        yield from own
        yield from _served(note)
        note("appending beside the peers")
        yield from session_peers.run(note, root / "peers", rate, entry().data)
        yield from _long(note, root / "long")


def entry(number: int = 0) -> NewEntry:
    """A message as agents write them."""
    role = "assistant" if number % 2 else "user"
    content = [{"type": "text", "text": f"{number} " + "what stands in the left cupboard? " * 8}]
    return NewEntry(type="message", data={"message": {"role": role, "content": content}})


def _appends(root: Path) -> tuple[float, list[Record]]:
    """Many writers in one session: group commit, by the library."""
    store = SessionStore(root / "sessions", root / "workspaces")
    session = store.create(CreateSession(), None)[0]

    def work(writer: int) -> list[float]:
        return _timed(lambda: session.append(entry(writer), None), APPENDS // WRITERS)

    began = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        times = sorted(one for found in pool.map(work, range(WRITERS)) for one in found)
    rate = len(times) / (time.perf_counter() - began)
    alone = _timed(lambda: session.append(entry(), None), 200)
    disk = _disk(root / "bare", 200)
    store.close()
    name = f"durable appends, {WRITERS} writers in one session"
    return rate, [
        Record(name, rate, "a second", RATE, more_is_better=True),
        Record("of these, 99th percentile", 1000 * _at(times, 0.99), "ms"),
        Record(
            "a durable append alone, median",
            1000 * _at(sorted(alone), 0.5),
            "ms",
            Against("peer", "write and flush alone", 1000 * disk),
        ),
    ]


def _disk(path: Path, count: int) -> float:
    """What the disk takes for a line of that length, median, in seconds."""
    raw = entry().model_dump_json().encode() + b"\n"
    with path.open("wb", buffering=0) as file:

        def append() -> None:
            file.write(raw)
            os.fdatasync(file.fileno())

        return _at(sorted(_timed(append, count)), 0.5)


def _served(note: Note) -> Iterator[Record]:
    """The same over the socket: one entry a request, and many in one piece."""
    note("appending over the socket")
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        root = Path(place)
        with started("session-manager", root) as service:
            with Connection("session-manager", service.sockets) as connection:
                session = SessionManager(connection).create(CreateSession()).id

            def single(_: int) -> list[float]:
                with Connection("session-manager", service.sockets) as connection:
                    manager = SessionManager(connection)
                    return _timed(lambda: manager.append(session, entry()), ASKED // CLIENTS)

            began = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                times = sorted(t for found in pool.map(single, range(CLIENTS)) for t in found)
            rate = len(times) / (time.perf_counter() - began)
            name = f"over the socket, {CLIENTS} clients in one session, an entry each"
            yield Record(name, rate, "a second", more_is_better=True)
            yield Record("of these, 99th percentile", 1000 * _at(times, 0.99), "ms")
            many = NewEntries(entries=tuple(entry(n) for n in range(100)))
            with Connection("session-manager", service.sockets) as connection:
                took = _timed(lambda: SessionManager(connection).append_all(session, many), 20)
            yield Record("over the socket, a hundred in one piece", 100 * len(took) / sum(took),
                         "a second", RATE, more_is_better=True)  # fmt: skip


def _long(note: Note, root: Path) -> Iterator[Record]:
    """Branch, checkpoint and context where a full load would show."""
    store = SessionStore(root / "sessions", root / "workspaces")
    session = store.create(CreateSession(), None)[0]
    large = min(LARGE, ENTRIES)
    note(f"writing {large} entries")
    _fill(session, large)
    yield _context(session, large, store, root)
    note(f"writing {ENTRIES} entries")
    _fill(session, ENTRIES - large)
    store.index.commit()
    bound = Against("bound", "goal", 2)
    numbers = iter(range(10_000))
    took = _timed(lambda: branches.make(session, MakeBranch(name=f"b{next(numbers)}"), None), TIMES)
    yield Record(f"branch of {ENTRIES} entries, median", 1000 * _at(sorted(took), 0.5), "ms", bound)

    def in_the_middle() -> object:
        wanted = MakeBranch(name=f"m{next(numbers)}", message=ENTRIES // 2, of="main")
        return branches.make(session, wanted, None)

    took = _timed(in_the_middle, TIMES)
    name = f"branch at the message in the middle of {ENTRIES}, median"
    yield Record(name, 1000 * _at(sorted(took), 0.5), "ms", bound)
    yield _checkpoint(store, session, root)
    note("reading the session anew")
    store.close()
    began = time.perf_counter()
    store = SessionStore(root / "sessions", root / "workspaces")
    store.get(session.id).describe()
    yield Record(
        f"opening a session of {ENTRIES} entries", 1000 * (time.perf_counter() - began), "ms"
    )
    store.close()
    (root / "sessions/.index/index.sqlite").unlink()
    began = time.perf_counter()
    store = SessionStore(root / "sessions", root / "workspaces")
    store.get(session.id).describe()
    yield Record(f"index of {ENTRIES} entries made anew", time.perf_counter() - began, "s")
    store.close()


def _context(session: SessionFile, entries: int, store: SessionStore, root: Path) -> Record:
    """From a store that was just opened: nothing is remembered from writing."""
    store.index.commit()
    took = _timed(lambda: context(session, None, BUDGET), 10)
    name = f"context of {BUDGET} tokens of a session of {entries} entries, median"
    return Record(name, 1000 * _at(sorted(took), 0.5), "ms", Against("bound", "goal", 50))


def _checkpoint(store: SessionStore, session: SessionFile, root: Path) -> Record:
    tasks = TaskStore(root / "tasks", root / "torn", 1000)
    run = root / "run"
    around = Neighbours(store, tasks, Shelf(root / "checkpoints"), Identities(run), Memories(run),
                        Workspaces(run))  # fmt: skip
    wanted = MakeCheckpoint(session=session.id, name="bench")
    took = _timed(lambda: make(around, wanted, 50, None), 20)
    name = f"checkpoint at {ENTRIES} entries, other services aside, median"
    return Record(name, 1000 * _at(sorted(took), 0.5), "ms", Against("bound", "goal", 50))


def _fill(session: SessionFile, count: int) -> None:
    for first in range(0, count, BATCH):
        session.append_all([entry(n) for n in range(first, min(first + BATCH, count))], None)


def _timed(work: Callable[[], object], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _at(times: list[float], part: float) -> float:
    return times[min(int(len(times) * part), len(times) - 1)]
