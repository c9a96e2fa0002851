"""Circuit breakers: an upstream that fails again and again is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from meso_services.api_proxy.care.interface import BreakerState
from meso_services.runtime.logging import Log

# A probe that says nothing for so long has been forgotten by whoever had it.
PROBE_SECONDS = 120.0
_log = Log("meso.proxy.breaker")


@dataclass(frozen=True)
class Rules:
    """`failures` in a row open it, for `open_seconds`, doubling up to `longest_seconds`."""

    failures: int = 5
    open_seconds: float = 10.0
    longest_seconds: float = 300.0


class UpstreamBreaker:
    """The breaker of one upstream."""

    def __init__(
        self, name: str, rules: Rules, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rules = rules
        self._name = name
        self._clock = clock
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probe_until = 0.0

    @property
    def state(self) -> BreakerState:
        """Half open once the pause is over, until a request has found out."""
        if self._open_until is None:
            return BreakerState.CLOSED
        over = self._clock() >= self._open_until
        return BreakerState.HALF_OPEN if over else BreakerState.OPEN

    def retry_after(self) -> float:
        """Seconds until it may be tried; 0 if it may be now."""
        if self._open_until is None:
            return 0.0
        now = self._clock()
        return max(0.0, self._open_until - now, self._probe_until - now)

    def enter(self) -> UpstreamPermit | None:
        """Leave to try the upstream; None while it is left alone or another one tries it."""
        if self._open_until is None:
            return UpstreamPermit(self, probe=False)
        if self.retry_after() > 0:
            return None
        self._probe_until = self._clock() + PROBE_SECONDS
        return UpstreamPermit(self, probe=True)

    def succeeded(self, probe: bool) -> None:
        """One of the permits ended well."""
        # An old request that ends well says nothing about now.
        if self._open_until is not None and not probe:
            return
        if self._open_until is not None:
            _log.info("an upstream works again", upstream=self._name)
        self._failures = self._openings = 0
        self._open_until = None
        self._probe_until = 0.0

    def failed(self, probe: bool) -> None:
        """One of the permits ended badly."""
        if self._open_until is not None and not probe:
            return
        self._failures += 1
        if probe or self._failures >= self.rules.failures:
            self._open()

    def abandoned(self, probe: bool) -> None:
        """One of the permits ended without a word on the upstream."""
        if probe:
            self._probe_until = 0.0

    def _open(self) -> None:
        doubled = self.rules.open_seconds * 2 ** min(self._openings, 32)
        pause = min(doubled, max(self.rules.longest_seconds, self.rules.open_seconds))
        self._openings += 1
        self._open_until = self._clock() + pause
        self._probe_until = 0.0
        _log.warning("an upstream is left alone", upstream=self._name, seconds=pause)


class UpstreamPermit:
    """Leave for one try; only the first word on it counts."""

    __slots__ = ("_breaker", "_open", "_probe")

    def __init__(self, breaker: UpstreamBreaker, *, probe: bool) -> None:
        self._breaker, self._probe, self._open = breaker, probe, True

    def success(self) -> None:
        if self._take():
            self._breaker.succeeded(self._probe)

    def failure(self) -> None:
        if self._take():
            self._breaker.failed(self._probe)

    def abandon(self) -> None:
        if self._take():
            self._breaker.abandoned(self._probe)

    def _take(self) -> bool:
        was, self._open = self._open, False
        return was
