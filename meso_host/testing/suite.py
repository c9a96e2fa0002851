"""Runs the test suite: one pytest for everything, so that its closing line counts it all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from meso_host.errors import HostError
from meso_host.setup import tree
from meso_host.testing import relocked
from meso_services.runtime import process

# What each word selects, in the order in which it runs; `all` is every room.
ROOMS: dict[str, tuple[str, ...]] = {
    "lint": ("tests/lint",),
    "unit": ("tests/lint", "tests/unit"),
    "services": ("tests/services",),
    "nix": ("tests/nix",),
    "vm": ("tests/vm",),
    "all": ("tests",),
}
# The machines of the VM room take most of the time and little more than one processor: in the
# whole suite one process boots them while another one does everything else.
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadscope")
# pytest's own word for "there was nothing to run".
NOTHING_COLLECTED = 5


@dataclass(frozen=True, slots=True)
class Suite:
    """Which room, and words handed on to pytest."""

    room: str
    words: tuple[str, ...] = ()


def arguments(suite: Suite) -> list[str]:
    """pytest's command line for `suite`."""
    options = ["-m", "not soak", "--durations=10", "-o", "console_output_style=times"]
    if suite.room == "all":
        options += SIDE_BY_SIDE
    places = [place for place in ROOMS[suite.room] if (tree.TOP / place).is_dir()]
    return [sys.executable, "-m", "pytest", *options, *places, *suite.words]


def run(suite: Suite) -> int:
    """Run it on this terminal; pytest's exit status. Raises HostError when nothing ran."""
    sys.stdout.flush()
    with relocked.environment(suite.room) as locks:
        status = _pytest(suite, {**environment(), **locks})
    if status == NOTHING_COLLECTED:
        raise HostError(
            "test.nothing",
            f"no test matches `{' '.join((suite.room, *suite.words))}`.",
            remedy="`meso test --help` names the rooms; what follows `--` goes to pytest.",
        )
    return status


def _pytest(suite: Suite, env: Mapping[str, str | None]) -> int:
    child = process.start(
        arguments(suite), cwd=tree.TOP, stdin=None, stdout=None, stderr=None, env=env
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        # pytest got the same signal, and removes its machines first.
        child.wait()
        raise


def environment() -> dict[str, str | None]:
    """The tests find the environment's programs (ruff, mypy) first."""
    here = os.fspath(tree.STATE / "venv" / "bin")
    return {"PATH": os.pathsep.join([here, os.environ.get("PATH", "")])}
