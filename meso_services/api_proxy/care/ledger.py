"""The cost ledger: what every request held and cost, durable, and its sums in memory.

Lines go to the journal, which flushes them in batches: a crash loses at most what came within
`flush_seconds`. A request that was running at a crash is charged in full at the next start, as
far as its hold had reached the disk. So the spending that a crash can hide is bounded by the
requests admitted or finished within the last `flush_seconds`.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from meso_services.api_proxy.care.budget import Held, Hold
from meso_services.api_proxy.care.interface import Target, Usage
from meso_services.api_proxy.care.journal import Bounds, Journal, Record
from meso_services.api_proxy.care.totals import Totals
from meso_services.runtime.logging import Log

_log = Log("meso.proxy.ledger")


class Ledger:
    """One process's ledger. Not thread-safe: the event loop alone calls it."""

    def __init__(
        self, directory: Path, bounds: Bounds | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._run, self._count = secrets.token_hex(6), itertools.count(1)
        self._second = 0
        self._day = ""
        # The writer's sums stand beside ours: a checkpoint counts what is on the disk, no more.
        written = Totals()
        self.journal = Journal(directory, "ledger", bounds, fold=written)
        self.totals = Totals()
        self.totals.restore(written.checkpoint())
        self.held = Held()
        self._charge_lost()

    def today(self) -> str:
        """The date in the appliance's time zone; a new one ends the day's sums."""
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._day = time.strftime("%Y-%m-%d", time.localtime(second))
            self.totals.turn(self._day)
        return self._day

    def begin(self, request: str, hold: Hold) -> str:
        """Hold what the request may cost; returns the entry's name for `end`."""
        day = self.today()
        self.held.add(hold)
        # Clients choose the ids of requests, so an entry has one of its own.
        entry = f"{self._run}-{next(self._count):x}"
        self._write(
            {
                "hold": entry,
                "request": request,
                "day": day,
                "client": hold.client,
                "session": hold.session,
                "pico": hold.pico,
                "tokens": hold.tokens,
            }
        )
        return entry

    def end(  # noqa: PLR0913 (what a line is made of)
        self,
        entry: str,
        hold: Hold,
        *,
        pico: int,
        usage: Usage,
        target: Target | None,
        outcome: str,
        tokens: int | None = None,
    ) -> None:
        """Let the hold go and charge what it cost. `tokens` where it is not the usage's sum."""
        day = self.today()
        self.held.add(hold, -1)
        self._write(
            {
                "done": entry,
                "day": day,
                "client": hold.client,
                "session": hold.session,
                "upstream": target.upstream if target else "",
                "model": target.model if target else "",
                "pico": pico,
                "tokens": usage.total if tokens is None else tokens,
                "usage": [
                    usage.input,
                    usage.output,
                    usage.cache_read,
                    usage.cache_write,
                    usage.reasoning,
                ],
                "outcome": outcome,
            }
        )

    def close(self) -> None:
        """Write what waits."""
        self.journal.close()

    def _write(self, record: Record) -> None:
        record = {"at": round(self._now(), 3), **record}
        self.totals.apply(record)
        self.journal.append(record)

    def _charge_lost(self) -> None:
        """Requests that ran when the process died may have cost all that they held."""
        self.today()
        lost = list(self.totals.open.items())
        for entry, record in lost:
            hold = Hold(
                str(record["client"]), record["session"], int(record["pico"]), int(record["tokens"])
            )
            self.held.add(hold)
            self.end(
                entry,
                hold,
                pico=hold.pico,
                usage=Usage(),
                target=None,
                outcome="lost",
                tokens=hold.tokens,
            )
        if lost:
            _log.warning("charged requests that were cut off by a crash", requests=len(lost))
