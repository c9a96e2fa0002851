"""What must hold for the tool executor to do its work: above all, that the sandbox is one."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from meso_services.runtime.errors import MesoError
from meso_services.runtime.health import Check, Finding, in_thread
from meso_services.tool_executor.parts import Parts
from meso_services.tool_executor.running import Program, run
from meso_services.tool_executor.sandbox import Sandbox
from meso_services.tool_executor.walls import INSIDE, Walls

_GOOD_SECONDS = 30.0
_MAY_SEE = {"bin", "lib", "lib64", "tools", "usr", "workspace"}


def checks(parts: Parts) -> list[Check]:
    """The sandbox starts; limits and audit are there; deep: it isolates, and files are used."""
    sandbox, audit = parts.sandbox, parts.engine.audit
    return [
        Check("sandbox", Remembered(sandbox)),
        Check("limits", in_thread(lambda: _limits(sandbox)), required=False),
        Check(
            "audit", in_thread(lambda: Finding(not audit.problem, audit.problem)), required=False
        ),
        Check("isolation", lambda: _isolates(parts), deep=True),
        Check("read", lambda: _reads(parts), deep=True),
    ]


class Remembered:
    """Starts a sandbox; a success counts for a while, a failure never.

    Whoever watches asks every few seconds, and starting programs is not free.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._good_until = 0.0

    async def __call__(self) -> Finding:
        """Say whether a sandbox can be made."""
        if time.monotonic() < self._good_until:
            return Finding(True)
        walls, program = Walls(INSIDE, full=True), Program(["/usr/bin/true"], seconds=15)
        try:
            ran = await run(self._sandbox, walls, program, lambda *_: None)
        except MesoError as error:
            return Finding(False, f"{error.message} {error.detail.get('said', '')}".strip())
        if ran.code == 0:
            self._good_until = time.monotonic() + _GOOD_SECONDS
        return Finding(ran.code == 0, ran.stderr.text().strip()[-500:])


def _limits(sandbox: Sandbox) -> Finding:
    if sandbox.subtree is None:
        return Finding(False, "no delegated cgroup: calls are limited in time, not in memory")
    return Finding(True, str(sandbox.subtree.path))


async def _isolates(parts: Parts) -> Finding:
    try:
        place = parts.workspaces.for_health(b"")
        seen = await parts.engine.toolbox.helpers.ask(place, {"tool": "probe"})
    except MesoError as error:
        return Finding(False, f"{error.message} {error.detail.get('said', '')}".strip())
    faults = _faults(seen)
    return Finding(not faults, "; ".join(faults))


def _faults(seen: dict[str, Any]) -> list[str]:
    faults = []
    if extra := set(seen["root"]) - _MAY_SEE:
        faults.append(f"the sandbox shows {', '.join(sorted(extra))}")
    if seen["interfaces"] not in ([], ["lo"]):
        faults.append(f"the sandbox has the network interfaces {', '.join(seen['interfaces'])}")
    if seen["writable"]:
        faults.append(f"the sandbox can write {', '.join(seen['writable'])}")
    if not seen["namespaces_refused"]:
        faults.append("the sandbox can make further user namespaces")
    if not seen["filtered"]:
        faults.append("no filter of system calls is loaded")
    return faults


async def _reads(parts: Parts) -> Finding:
    word = secrets.token_hex(8)
    try:
        place: Path = parts.workspaces.for_health(f"{word}\n".encode())
        request = {"tool": "read", "path": "probe.txt", "offset": 1, "limit": 1}
        found = await parts.engine.toolbox.helpers.ask(place, request)
    except MesoError as error:
        return Finding(False, error.message)
    except OSError as error:
        return Finding(False, f"cannot write {parts.workspaces.directory}: {error.strerror}")
    return Finding(found["lines"] == [word])
