"""The program that stays in a workspace's sandbox: requests on stdin, answers on stdout.

A message is its length in decimal, a line feed, and that many bytes of JSON. An answer is
`{"ok": …}` or `{"refused": {"code", "message"}}`. Anything else means that the sandbox failed.
A request that is `gated` is prepared, then answered by `{"ready": true}`, and has its effect only
when a line `go` has come.
It runs no program and nothing that an agent has written.
"""

from __future__ import annotations

import json
import os
import sys

from meso_services.tool_executor.inside.changing import edit, write
from meso_services.tool_executor.inside.opening import Place, Refused, open_file, refusal
from meso_services.tool_executor.inside.reading import read_range

WORKSPACE = "/workspace"
Request = dict[str, object]


def main() -> None:
    """Answer requests until there are no more."""
    incoming = sys.stdin.buffer
    while head := incoming.readline(32):
        _say(_answer(json.loads(incoming.read(int(head)))))


def _say(answer: dict[str, object]) -> None:
    data = json.dumps(answer).encode()
    sys.stdout.buffer.write(b"%d\n%s" % (len(data), data))
    sys.stdout.buffer.flush()


class _Gate:
    """Where a prepared change waits until the decision about it is on the disk."""

    def __init__(self, request: Request) -> None:
        self._open = not request.get("gated")

    def __call__(self) -> None:
        """Return when the change may be seen. Raises Refused."""
        if self._open:
            return
        _say({"ready": True})
        if sys.stdin.buffer.readline(8) != b"go\n":
            raise Refused("not_recorded", "the call was given up before it changed anything")
        self._open = True


def _answer(request: Request) -> dict[str, object]:
    try:
        return {"ok": _WORK[str(request["tool"])](request)}
    except Refused as refused:
        return {"refused": {"code": refused.code, "message": refused.message}}
    except OSError as error:
        found = refusal(error, str(request.get("path", "")))
        return {"refused": {"code": found.code, "message": found.message}}


def _read(request: Request) -> dict[str, object]:
    path, offset, limit, most = (request[k] for k in ("path", "offset", "limit", "max_bytes"))
    if not (isinstance(path, str) and isinstance(offset, int)):
        raise TypeError("path and offset")
    if not (isinstance(limit, int) and isinstance(most, int)):
        raise TypeError("limit and max_bytes")
    descriptor, walked = open_file(WORKSPACE, path, request.get("expected"))
    return {"path": f"{WORKSPACE}/{walked}", **read_range(descriptor, offset, limit, most)}


def _probe(_request: Request) -> dict[str, object]:
    """What can be seen and done from in here; the deep health check judges it."""
    import socket  # noqa: PLC0415 - a read should not wait for what only the probe needs

    return {
        "root": sorted(os.listdir("/")),  # noqa: PTH208
        "interfaces": [name for _, name in socket.if_nameindex()],
        "writable": [place for place in ("/", "/usr", "/tools") if os.access(place, os.W_OK)],
        "pid": os.getpid(),
        "namespaces_refused": not _can_make_namespace(),
        "filtered": _is_filtered(),
    }


def _can_make_namespace() -> bool:
    import ctypes  # noqa: PLC0415

    clone_newuser = 0x10000000
    return bool(ctypes.CDLL(None).unshare(clone_newuser) == 0)


def _is_filtered() -> bool:
    """Whether the system call filter is loaded: `PR_GET_SECCOMP` says 2."""
    import ctypes  # noqa: PLC0415

    return bool(ctypes.CDLL(None).prctl(21, 0, 0, 0, 0) == 2)


def _resolve(request: Request) -> dict[str, object]:
    """Where a path leads, below the workspace, with links resolved. It need not be there."""
    with Place(WORKSPACE, str(request["path"]), lenient=True) as place:
        return {"path": place.path}


_WORK = {
    "resolve": _resolve,
    "read": _read,
    "write": lambda request: write(WORKSPACE, request, _Gate(request)),
    "edit": lambda request: edit(WORKSPACE, request, _Gate(request)),
    "probe": _probe,
}
