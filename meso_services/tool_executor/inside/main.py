"""The program that the sandbox starts: one request on stdin, one answer on stdout, both JSON.

An answer is `{"ok": …}` or `{"refused": {"code", "message"}}`. Anything else means that
the sandbox failed.
"""

from __future__ import annotations

import json
import os
import resource
import sys

from meso_services.tool_executor.inside.opening import Refused, open_file
from meso_services.tool_executor.inside.reading import read_range

WORKSPACE = "/workspace"


def main() -> None:
    """Answer the one request."""
    request = json.load(sys.stdin)
    _limit(request["seconds"])
    try:
        answer = {"ok": _read(request) if request["tool"] == "read" else _probe()}
    except Refused as refused:
        answer = {"refused": {"code": refused.code, "message": refused.message}}
    json.dump(answer, sys.stdout)


def _limit(seconds: int) -> None:
    """Limits that hold where there is no cgroup, too. They can't be raised again."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))


def _read(request: dict[str, object]) -> dict[str, object]:
    path, offset, limit, most = (request[k] for k in ("path", "offset", "limit", "max_bytes"))
    if not (isinstance(path, str) and isinstance(offset, int)):
        raise TypeError("path and offset")
    if not (isinstance(limit, int) and isinstance(most, int)):
        raise TypeError("limit and max_bytes")
    descriptor, walked = open_file(WORKSPACE, path)
    return {"path": f"{WORKSPACE}/{walked}", **read_range(descriptor, offset, limit, most)}


def _probe() -> dict[str, object]:
    """What can be seen and done from in here; the deep health check judges it."""
    import socket  # noqa: PLC0415 - a read should not wait for what only the probe needs

    return {
        "root": sorted(os.listdir("/")),  # noqa: PTH208
        "interfaces": [name for _, name in socket.if_nameindex()],
        "writable": [place for place in ("/", "/usr", WORKSPACE) if os.access(place, os.W_OK)],
        "pid": os.getpid(),
        "namespaces_refused": not _can_make_namespace(),
    }


def _can_make_namespace() -> bool:
    import ctypes  # noqa: PLC0415

    clone_newuser = 0x10000000
    return bool(ctypes.CDLL(None).unshare(clone_newuser) == 0)
