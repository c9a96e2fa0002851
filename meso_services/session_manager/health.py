"""Does the session manager keep sessions?"""

from __future__ import annotations

import os
import secrets

from meso_services.runtime import durable
from meso_services.runtime.health import Check, Finding, in_thread
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tasks.store import TaskStore

# Below this, appends still work but not for long.
LOW_BYTES = 64 * 1024**2


def checks(store: SessionStore, tasks: TaskStore) -> list[Check]:
    """The stores can be read and written to; the disk has room; every file could be read."""
    return [
        Check("store", in_thread(lambda: _reachable(store))),
        Check("tasks", in_thread(lambda: _tasks(tasks))),
        Check("append", in_thread(lambda: _append(store)), deep=True),
        Check("space", in_thread(lambda: _space(store)), required=False),
        Check("files", in_thread(lambda: _files(store)), required=False),
    ]


def _reachable(store: SessionStore) -> Finding:
    if os.access(store.main, os.R_OK | os.W_OK | os.X_OK):
        return Finding(True)
    return Finding(False, f"{store.main} cannot be read and written")


def _tasks(tasks: TaskStore) -> Finding:
    return Finding(True, f"{tasks.count()} tasks")


def _append(store: SessionStore) -> Finding:
    """Write, append, read and delete where no session is ever looked for."""
    place = store.place / ".health"
    durable.make_directories(place)
    probe = place / secrets.token_hex(8)
    try:
        durable.write(probe, b"one\n")
        durable.append(probe, b"two\n")
        same = probe.read_bytes() == b"one\ntwo\n"
    finally:
        durable.remove(probe)
    return Finding(same, "" if same else f"{place} gives back something else than was written")


def _space(store: SessionStore) -> Finding:
    status = os.statvfs(store.main)
    free = status.f_bavail * status.f_frsize
    return Finding(free >= LOW_BYTES, f"{free // 1024**2} MiB free")


def _files(store: SessionStore) -> Finding:
    unreadable = dict(store.unreadable)
    if not unreadable:
        return Finding(True)
    name, reason = next(iter(sorted(unreadable.items())))
    more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
    return Finding(False, f"{name}{more}: {reason}")
