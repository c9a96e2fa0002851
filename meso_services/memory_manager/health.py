"""What must hold for the memory manager to do its work."""

from __future__ import annotations

from meso_services.memory_manager.store import MemoryStore
from meso_services.runtime.errors import MesoError
from meso_services.runtime.health import Check, Finding, in_thread


def checks(store: MemoryStore) -> list[Check]:
    """The index answers; every file can be searched; deep: a memory is written and found."""
    return [
        Check("index", in_thread(lambda: _index(store))),
        Check("files", in_thread(lambda: _files(store)), required=False),
        Check("write", in_thread(lambda: _write(store)), deep=True),
    ]


def _index(store: MemoryStore) -> Finding:
    try:
        count, _ = store.state()
    except MesoError as error:
        return Finding(False, error.message)
    return Finding(True, f"{count} memories")


def _files(store: MemoryStore) -> Finding:
    _, problems = store.state()
    if not problems:
        return Finding(True)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(False, problems[0] + more)


def _write(store: MemoryStore) -> Finding:
    try:
        return Finding(store.prove())
    except MesoError as error:
        return Finding(False, error.message)
    except OSError as error:
        return Finding(False, f"cannot write a memory: {error.strerror}")
