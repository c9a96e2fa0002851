"""Runs in the background: one at a time for each mind, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from meso_services.contract.client import CallError
from meso_services.mind import runs
from meso_services.mind.iteration import Around
from meso_services.mind.runs import Wish
from meso_services.mind.state import Mind
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

_log = Log("meso.mind")
# Reports that are kept of a run; the files have all of them.
_MOST_REPORTS = 1000
Make = Callable[[], tuple[Mind, Around]]


@dataclass
class Run:
    """One run. `reports` grows; `state` is running, ended or failed."""

    stop: threading.Event = field(default_factory=threading.Event)
    state: str = "running"
    error: str = ""
    count: int = 0
    reports: list[dict[str, Any]] = field(default_factory=list)
    debug: list[tuple[str, str]] = field(default_factory=list)
    thread: threading.Thread | None = None


class Runs:
    """The latest run of each mind."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, wish: Wish, make: Make, *, debug: bool = False) -> Run:
        """Start a run. Raises `mind.busy` while another one runs, and what `make` raises."""
        with self._lock:
            old = self._runs.get(name)
            if old and old.state == "running":
                raise MesoError("mind.busy", f"{name!r} is running already", status=409)
            mind, around = make()
            run = self._runs[name] = Run()
            if debug:
                around = replace(around, debug=lambda what, text: run.debug.append((what, text)))
            run.thread = threading.Thread(
                target=_carry_out, args=(run, mind, wish, around), name=f"mind-{name}", daemon=True
            )
            run.thread.start()
        return run

    def get(self, name: str) -> Run | None:
        """The latest run of a mind."""
        return self._runs.get(name)

    def close(self) -> None:
        """End all after their iterations, and wait a little; a kill loses an iteration at most."""
        for run in self._runs.values():
            run.stop.set()
        for run in self._runs.values():
            if run.thread:
                run.thread.join(5)


def _carry_out(run: Run, mind: Mind, wish: Wish, around: Around) -> None:
    try:
        for reports in runs.run(mind, wish, around, run.stop.is_set):
            run.reports += [asdict(report) for report in reports]
            del run.reports[:-_MOST_REPORTS]
            run.count += len(reports)
        run.state = "ended"
    except (MesoError, CallError) as problem:
        run.error, run.state = str(problem), "failed"
        _log.warning("a run failed", mind=mind.directory.name, reason=run.error)
    except Exception as problem:
        run.error, run.state = type(problem).__name__, "failed"
        _log.exception("a run failed", problem, mind=mind.directory.name)
