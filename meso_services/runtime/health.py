"""Health: named checks of a service's function, bounded in time, remembered briefly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from meso_services.contract.common import Health, HealthCheck, HealthState
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log

# Several askers within a moment (the boot gate, the console, a test) share one answer.
REMEMBER_SECONDS = 1.0
_log = Log("meso.health")


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Check:
    """One check. `run` returns a Finding or raises; blocking work belongs into a thread.

    A check that is not `required` makes the service degraded when it fails, not failed.
    A `deep` one does real work (it writes, it starts the sandbox) and runs only when asked for.
    """

    name: str
    run: Callable[[], Awaitable[Finding]]
    deep: bool = False
    required: bool = True


def in_thread(work: Callable[[], Finding]) -> Callable[[], Awaitable[Finding]]:
    """Make a check of a function that blocks."""
    return lambda: asyncio.to_thread(work)


@dataclass(frozen=True)
class Identity:
    """Who answers."""

    service: str
    version: str
    generation: str


class HealthBoard:
    """Runs the checks of one service."""

    def __init__(self, identity: Identity, checks: Sequence[Check], timeout: float) -> None:
        self._identity = identity
        self._checks = tuple(checks)
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._remembered: dict[bool, tuple[float, Health]] = {}

    async def examine(self, deep: bool) -> Health:
        """Run the shallow checks, or all of them; one run serves all who ask meanwhile."""
        async with self._lock:
            made, known = self._remembered.get(deep, (0.0, None))
            if known is not None and time.monotonic() - made < REMEMBER_SECONDS:
                return known
            health = await self._run(deep)
            self._remembered[deep] = (time.monotonic(), health)
            return health

    async def _run(self, deep: bool) -> Health:
        wanted = [check for check in self._checks if deep or not check.deep]
        results = await asyncio.gather(*(self._one(check) for check in wanted))
        return Health(
            service=self._identity.service,
            version=self._identity.version,
            generation=self._identity.generation,
            state=_state(wanted, results),
            checks=tuple(results),
        )

    async def _one(self, check: Check) -> HealthCheck:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                finding = await check.run()
        except TimeoutError:
            finding = Finding(False, f"no answer within {self._timeout:g} s")
        except MesoError as problem:
            finding = Finding(False, problem.message)
        except Exception as problem:
            _log.exception("a health check failed", problem, check=check.name)
            finding = Finding(False, f"{type(problem).__name__}; the journal has the details")
        took = round((time.perf_counter() - began) * 1000, 2)
        return HealthCheck(name=check.name, ok=finding.ok, ms=took, detail=finding.detail)


def _state(checks: Sequence[Check], results: Sequence[HealthCheck]) -> HealthState:
    failed = [check for check, result in zip(checks, results, strict=True) if not result.ok]
    if not failed:
        return HealthState.OK
    return HealthState.FAILED if any(c.required for c in failed) else HealthState.DEGRADED
