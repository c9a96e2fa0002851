"""Tests that build images go on when a mirror has dropped a version that the lock names.

Debian's mirrors keep only the newest version of a package. A tree of last month would otherwise
fail its tests for no fault of its own; the successors are taken for this run, and it is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from meso_cli.progress import Progress
from meso_host import build, store
from meso_host.errors import HostError
from meso_host.lock.relock import Outcome, relock_temporarily
from meso_host.setup import tree

# The rooms whose tests build images.
ROOMS = ("all", "nix", "vm")


@contextmanager
def environment(room: str) -> Iterator[dict[str, str | None]]:
    """Variables for the tests of a room: none, or MESO_LOCK with a lock that can be had.

    Raises HostError when the files cannot be brought for another reason.
    """
    if room not in ROOMS or _brought():
        yield {}
        return
    with ExitStack() as stack:
        with Progress(1).step("locking anew for this run") as note:
            directory, outcome = stack.enter_context(relock_temporarily(tree.TOP, note))
        print(_report(outcome), file=sys.stderr)
        yield {"MESO_LOCK": str(directory)}


def _brought() -> bool:
    """Bring what the lock names; False when a mirror has only something newer."""
    try:
        with Progress(1).step("packages for the tests' images") as note:
            for arch in ("amd64", "arm64"):
                store.bring(build.locks(), arch, lambda p: note(f"{p.what}, {p.percent}%"))
            store.bring_set(build.locks(), "checks", lambda p: note(f"{p.what}, {p.percent}%"))
    except HostError as error:
        if error.code != "mirror.lacks":
            raise
        print(f"meso: {error.message}", file=sys.stderr)
        return False
    return True


def _report(outcome: Outcome) -> str:
    """What is tested instead of what is locked."""
    lines = [*outcome.versions, *outcome.notes]
    return "\n".join(
        [
            "meso: this run tests newer packages than the lock names; ./meso lock --update takes",
            "meso: them over. Different are:",
            *(f"  {line}" for line in lines),
        ]
    )
