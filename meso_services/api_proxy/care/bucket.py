"""Token buckets: so many a minute, saved up for at most a minute."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60.0


class Bucket:
    """Fills evenly up to `per_minute`. May be in debt: what was used counts, also afterwards."""

    __slots__ = ("_clock", "_level", "_per_minute", "_when")

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._level = per_minute
        self._when = clock()

    def take(self, amount: float) -> float:
        """Take `amount`; 0.0 if that was possible, else the seconds to wait, and nothing taken.

        More than the bucket can ever hold is let through when it is full, and becomes debt.
        """
        self._fill()
        missing = min(amount, self._per_minute) - self._level
        if missing > 1e-9:
            return missing / self._per_minute * MINUTE
        self._level -= amount
        return 0.0

    def correct(self, amount: float) -> None:
        """Take `amount` more (less, if negative), possible or not."""
        self._fill()
        self._level = min(self._per_minute, self._level - amount)

    def resize(self, per_minute: float) -> None:
        """Another limit from now on; what was used stays used."""
        if per_minute != self._per_minute:
            self._fill()
            self._level += per_minute - self._per_minute
            self._per_minute = per_minute

    @property
    def full(self) -> bool:
        """Whether it says no more than a new one would."""
        self._fill()
        return self._level >= self._per_minute

    def _fill(self) -> None:
        now = self._clock()
        gained = max(0.0, now - self._when) / MINUTE * self._per_minute
        self._level = min(self._per_minute, self._level + gained)
        self._when = now
