"""Where an auditor runs: a process of its own, with bounded memory. Run as a script.

    auditor_process.py BYTES program ARGUMENT...    becomes that program
    auditor_process.py BYTES function MODULE:NAME   calls it with the event on standard input
                                                    and prints its findings, one a line

Standard library only and no package of ours: an auditor sees what it would see by itself.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

# As many findings as anybody reads; a generator of somebody else's may never end.
MOST_FINDINGS = 32
PATHS = "MESO_AUDITOR_PATHS"


def main(arguments: list[str]) -> None:
    """Do it. What the auditor raises is its last words."""
    limit, kind, *rest = arguments
    _bound(int(limit))
    if kind == "program":
        try:
            os.execvp(rest[0], rest)  # noqa: S606 (this process was started by the door)
        except OSError as problem:
            sys.exit(f"cannot start {rest[0]}: {problem.strerror}")
    sys.path[:] = json.loads(os.environ.pop(PATHS))
    # What a function prints for itself is neither a finding nor of interest.
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    for found in islice(_called(rest[0], json.load(sys.stdin)), MOST_FINDINGS):
        own.write(json.dumps(found, default=repr) + "\n")
    own.flush()
    # Threads that it left behind are not waited for.
    os._exit(0)


def _called(where: str, event: dict[str, Any]) -> Iterable[Any]:
    module, _, name = where.partition(":")
    said = getattr(importlib.import_module(module), name)(event)
    if isinstance(said, (dict, str)):
        return (said,)
    return said or ()


def _bound(limit: int) -> None:
    # Data, not address space: interpreters reserve much that they never touch.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (least, least))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where memory runs out nevertheless, it is the auditor that ends and not the mind.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


if __name__ == "__main__":
    main(sys.argv[1:])
