"""What a tool call costs on this computer, beside the same work without a sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.bench.services import _at, _timed
from meso_host.testing.local import started
from meso_services.contract import tools as wire
from meso_services.contract.client import Connection
from meso_services.contract.tools_client import ToolExecutor
from meso_services.runtime import process

COUNT = 40
FILES = 300
AT_ONCE = 50
SESSION = "bench"


def run(note: Note) -> Iterator[Record]:
    """Start a tool executor in a directory of its own, and call it."""
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        root = Path(place)
        with started("tool-executor", root):
            sockets = root / "run/meso"
            with Connection("tool-executor", sockets) as connection:
                executor = ToolExecutor(connection)
                executor.workspace(SESSION)
                note("commands")
                yield from _commands(executor)
                note("files")
                yield from _files(executor, root / "meso/workspaces" / SESSION / "main")
            note("many at once")
            yield _together(sockets)


def _call(executor: ToolExecutor, tool: str, **params: object) -> wire.CallReply:
    wanted = wire.CallRequest(session=SESSION, tool=tool, params=dict(params))
    reply = executor.call(wanted)
    if reply.state != "completed":
        raise RuntimeError(f"{tool}: {reply.error}")
    return reply


def _commands(executor: ToolExecutor) -> Iterator[Record]:
    """`true`, bare and sandboxed by turns, so that both meet the same load."""
    bare: list[float] = []
    boxed: list[float] = []
    for _ in range(COUNT):
        bare += _timed(lambda: process.run(["bash", "-c", "true"]), 1)
        boxed += _timed(lambda: _call(executor, "bash", command="true"), 1)
    more = 1000 * (_at(boxed, 0.5) - _at(bare, 0.5))
    yield Record("bash -c true, bare, median", 1000 * _at(bare, 0.5), "ms")
    yield Record("a sandboxed call of it, median", 1000 * _at(boxed, 0.5), "ms")
    yield Record("what the call adds, median", more, "ms", Against("bound", "goal", 25))


def _files(executor: ToolExecutor, place: Path) -> Iterator[Record]:
    text = "".join(f"line {number} of a file\n" for number in range(200))
    (place / "f").write_text(text)
    _call(executor, "read", path="f")
    goal = Against("bound", "goal", 2)
    asked = _timed(lambda: executor.calls("nobody"), FILES)
    yield Record("beside: a request that does nothing, median", 1000 * _at(asked, 0.5), "ms")
    read = _timed(lambda: _call(executor, "read", path="f"), FILES)
    yield Record("read of 200 lines, median", 1000 * _at(read, 0.5), "ms", goal)
    yield Record("read of 200 lines, 99th percentile", 1000 * _at(read, 0.99), "ms")
    turn = iter(range(FILES + 1))
    _call(executor, "edit", path="f", old="line 0 of", new=f"turn {next(turn)} of")

    def edit() -> None:
        number = next(turn)
        _call(executor, "edit", path="f", old=f"turn {number - 1} of", new=f"turn {number} of")

    times = _timed(edit, FILES)
    yield Record("edit, on the disk when it answers, median", 1000 * _at(times, 0.5), "ms", goal)
    yield Record("of that, a bare fsync of file and directory", 1000 * _bare(place), "ms")


def _bare(place: Path) -> float:
    from meso_services.runtime import durable  # noqa: PLC0415

    times = _timed(lambda: durable.write(place / "bare", b"x" * 4096), FILES)
    return _at(times, 0.5)


def _together(sockets: Path) -> Record:
    """Fifty calls at once, each from a client of its own; how many failed."""

    def one(_: int) -> bool:
        with Connection("tool-executor", sockets) as connection:
            wanted = wire.CallRequest(session=SESSION, tool="bash", params={"command": "true"})
            return ToolExecutor(connection).call(wanted).state != "completed"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = sum(pool.map(one, range(AT_ONCE)))
    return Record(f"{AT_ONCE} calls at once, failed", failed, "calls", Against("bound", "goal", 0))
