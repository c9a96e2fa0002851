"""The health of one service, and waiting until all of them are well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from meso_services.boot import client
from meso_services.boot.machine import Machine

ASK_SECONDS = 20.0
PAUSE_SECONDS = 0.5
STATES = ("ok", "degraded", "failed")
WELL = ("ok", "degraded")


@dataclass(frozen=True, slots=True)
class Probe:
    """One answer: `state` is ok, degraded, failed or unreachable; `detail` says why."""

    service: str
    state: str
    detail: str
    version: str = ""
    generation: str = ""

    @property
    def well(self) -> bool:
        """Degraded counts as well: no upstream and no network are not a fault."""
        return self.state in WELL


def ask(machine: Machine, service: str, timeout: float, deep: bool = False) -> Probe:
    """Ask a service for its health, `deep` for real work as well; never raises."""
    target = "/healthz?deep=1" if deep else "/healthz"
    try:
        _, body = client.get(machine.socket(service), target, timeout)
    except client.UnreachableError as error:
        return Probe(service, "unreachable", str(error))
    if not isinstance(body, dict) or body.get("state") not in STATES:
        return Probe(service, "unreachable", "the answer is not a health report")
    return Probe(
        service,
        body["state"],
        _detail(body),
        str(body.get("version", "")),
        str(body.get("generation", "")),
    )


def ask_all(
    machine: Machine, services: Sequence[str], timeout: float, deep: bool = False
) -> list[Probe]:
    """Ask several services at the same time, in their order."""
    with ThreadPoolExecutor(max_workers=max(len(services), 1)) as pool:
        return list(pool.map(lambda service: ask(machine, service, timeout, deep), services))


def wait(machine: Machine, services: Sequence[str], seconds: float) -> list[Probe]:
    """Ask, deeply, until every service is well or `seconds` are over; the last answers."""
    deadline = time.monotonic() + seconds
    found: dict[str, Probe] = {}
    while True:
        waiting = [s for s in services if s not in found or not found[s].well]
        left = max(deadline - time.monotonic(), 0.1)
        found |= {p.service: p for p in ask_all(machine, waiting, min(ASK_SECONDS, left), True)}
        answers = [found[service] for service in services]
        if all(answer.well for answer in answers) or time.monotonic() >= deadline:
            return answers
        time.sleep(PAUSE_SECONDS)


def _detail(body: dict[str, Any]) -> str:
    """Why it is not simply ok: the checks that failed, else nothing."""
    checks = body.get("checks")
    if not isinstance(checks, list):
        return ""
    failed = [check for check in checks if isinstance(check, dict) and not check.get("ok")]
    return "; ".join(f"{check.get('name')}: {check.get('detail')}" for check in failed)
