"""What was spent, added up: by day, client and session, and by who served it.

A fold over the ledger's lines (`journal.Fold`): the same lines always give the same sums.
Two kinds of line. `hold` is a request that runs, with the most that it may cost; `done` ends it
with what it cost. A hold without its end was running when the process died.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Any

Record = dict[str, Any]
CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")
# Sessions and rows beyond these are forgotten, the oldest first. A session takes 700 bytes.
MAX_SESSIONS = 4096
MAX_ROWS = 20_000
MAX_ROWS_A_DAY = 512
OTHERS = "others"


@dataclass(slots=True)
class Spent:
    """Pico-dollars and tokens."""

    pico: int = 0
    tokens: int = 0

    def add(self, pico: int, tokens: int) -> None:
        """Count more."""
        self.pico += pico
        self.tokens += tokens


@dataclass(slots=True)
class Row:
    """One line of the cost table: a day, a client, an upstream, a model."""

    day: str
    client: str
    upstream: str
    model: str
    requests: int = 0
    pico: int = 0
    usage: list[int] = field(default_factory=lambda: [0] * len(CLASSES))


class Totals:
    """All sums. `day` is the day that counts; it never goes back over money spent in it."""

    def __init__(self) -> None:
        self.day = ""
        self.all = Spent()
        self.clients: dict[str, Spent] = {}
        self.sessions: OrderedDict[str, Spent] = OrderedDict()
        self.rows: OrderedDict[tuple[str, str, str, str], Row] = OrderedDict()
        self.open: dict[str, Record] = {}
        self._rows_of: Counter[str] = Counter()

    def turn(self, day: str) -> None:
        """Begin `day`. If the clock went back, today's sums stay and carry its new date: a
        clock set back and forth opens no second budget for the same day."""
        if day > self.day:
            self.all = Spent()
            self.clients = {}
        self.day = day

    def apply(self, record: Record) -> None:
        """Count one line."""
        if "hold" in record:
            self.open[str(record["hold"])] = record
            return
        self.open.pop(str(record["done"]), None)
        self.turn(str(record["day"]))
        pico, usage = int(record["pico"]), [int(count) for count in record["usage"]]
        if len(usage) != len(CLASSES):
            raise ValueError("usage")
        tokens = int(record["tokens"])
        self.all.add(pico, tokens)
        self.clients.setdefault(str(record["client"]), Spent()).add(pico, tokens)
        if session := record.get("session"):
            self._session(str(session)).add(pico, tokens)
        row = self._row(record)
        row.requests += 1
        row.pico += pico
        row.usage = [a + b for a, b in zip(row.usage, usage, strict=True)]

    def session(self, name: str | None) -> Spent:
        """What a session spent over all its days."""
        return self.sessions.get(name or "", Spent())

    def client(self, name: str) -> Spent:
        """What a client spent today."""
        return self.clients.get(name, Spent())

    def checkpoint(self) -> Record:
        """Everything, as JSON."""
        return {
            "day": self.day,
            "all": asdict(self.all),
            "clients": {name: asdict(spent) for name, spent in self.clients.items()},
            "sessions": [[name, s.pico, s.tokens] for name, s in self.sessions.items()],
            "rows": [asdict(row) for row in self.rows.values()],
            "open": list(self.open.values()),
        }

    def restore(self, checkpoint: Record) -> None:
        """Become what `checkpoint` says. Raises KeyError, TypeError or ValueError."""
        self.__init__()  # type: ignore[misc]  # from nothing, as if new
        self.day = str(checkpoint["day"])
        self.all = Spent(**checkpoint["all"])
        self.clients = {name: Spent(**spent) for name, spent in checkpoint["clients"].items()}
        self.sessions.update((name, Spent(pico, n)) for name, pico, n in checkpoint["sessions"])
        for entry in checkpoint["rows"]:
            row = Row(**entry)
            self.rows[(row.day, row.client, row.upstream, row.model)] = row
            self._rows_of[row.day] += 1
        self.open = {str(record["hold"]): record for record in checkpoint["open"]}

    def _session(self, name: str) -> Spent:
        spent = self.sessions.setdefault(name, Spent())
        self.sessions.move_to_end(name)
        while len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)
        return spent

    def _row(self, record: Record) -> Row:
        day, client = str(record["day"]), str(record["client"])
        key = (day, client, str(record.get("upstream", "")), str(record.get("model", "")))
        if key not in self.rows:
            # The model's name comes from the client: a day's table has an end.
            if self._rows_of[day] >= MAX_ROWS_A_DAY:
                key = (day, client, OTHERS, OTHERS)
            if key not in self.rows:
                self.rows[key] = Row(*key)
                self._rows_of[day] += 1
            while len(self.rows) > MAX_ROWS:
                (oldest, *_), _row = self.rows.popitem(last=False)
                self._rows_of[oldest] -= 1
        return self.rows[key]
