"""LiteLLM's proxy before the same server, in the same run.

It lives in an environment of its own below `.meso/peers`, made when the bench first runs and
never part of the project's lock.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_services.runtime import process

PLACE = tree.STATE / "peers" / "litellm"
START_SECONDS = 120.0
Figures = Callable[[int, int, str], tuple[float, float]]
CONFIG = """
model_list:
  - model_name: bench
    litellm_params:
      model: anthropic/bench
      api_base: http://127.0.0.1:{port}
      api_key: sk-bench
general_settings:
  master_key: sk-bench
litellm_settings:
  telemetry: false
"""


def run(
    note: Note, upstream: int, ours: float, memory: float, figures: Figures
) -> Iterator[Record]:
    """Ours beside LiteLLM's; nothing if it cannot be installed here."""
    note("bringing LiteLLM")
    try:
        program = _brought()
    except process.CommandError as problem:
        note(f"LiteLLM cannot be installed: {problem}")
        return
    note("starting LiteLLM")
    with _running(program, upstream) as (port, child):
        note("asking through LiteLLM")
        added, rate = figures(port, upstream, "/v1/messages")
        yield Record("LiteLLM: added to the first byte, median", 1000 * added, "ms")
        beside = Against("peer", "LiteLLM", rate)
        yield Record("requests, beside LiteLLM", ours, "a second", beside, more_is_better=True)
        beside = Against("peer", "LiteLLM", _resident(child.pid))
        yield Record("memory, beside LiteLLM", memory, "MiB", beside)


def _brought() -> Path:
    program = PLACE / "bin" / "litellm"
    if not program.exists():
        process.run([sys.executable, "-m", "venv", PLACE])
        process.run([PLACE / "bin/pip", "install", "-q", "litellm[proxy]"], timeout=900)
    return program


@contextmanager
def _running(program: Path, upstream: int) -> Iterator[tuple[int, Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        config = Path(place) / "config.yaml"
        config.write_text(CONFIG.format(port=upstream), encoding="utf-8")
        child = process.start(
            [program, "--config", config, "--port", str(port), "--host", "127.0.0.1"],
            cwd=Path(place),
            env={"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        )
        try:
            _wait(port, child)
            yield port, child
        finally:
            child.terminate()
            child.wait()


def _wait(port: int, child: Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError("LiteLLM does not answer")


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
