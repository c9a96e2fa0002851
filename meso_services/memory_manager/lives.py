"""The events of all memories in the index's database, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Iterable

from meso_services.memory_manager.index import Index
from meso_services.memory_manager.journal import Journal
from meso_services.memory_manager.life import Event, Parameters, State, born, state_of

_FIELDS = "id, time, memory, kind, by, path, other, about"


class Lives:
    """Reads the journal into an index; the caller's lock holds for it too."""

    def __init__(self, journal: Journal, parameters: Parameters) -> None:
        self.journal = journal
        self.parameters = parameters

    def tell(self, index: Index, events: list[Event]) -> None:
        """Write events down, and let them count. Raises OSError."""
        if not events:
            return
        for name, (start, end) in self.journal.add(events).items():
            row = index.run("SELECT read FROM journals WHERE name = ?", (name,)).fetchone()
            if (row[0] if row else 0) == start:
                index.run("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, end))
        for memory in self._take(index, events):
            self._count(index, memory)

    def catch_up(self, index: Index) -> set[str]:
        """Take in the lines that were added since; the memories that they are about."""
        read = dict(index.run("SELECT name, read FROM journals").fetchall())
        touched: set[str] = set()
        for name, size in self.journal.files().items():
            known = int(read.get(name, 0))
            if size == known:
                continue
            # A shorter or other file came by a sync or a restore: an event counts once anyway.
            events, end = self.journal.read(name, known if size > known else 0)
            touched |= self._take(index, events)
            index.run("INSERT OR REPLACE INTO journals VALUES (?, ?)", (name, end))
        for memory in touched:
            self._count(index, memory)
        return touched

    def read_all(self, index: Index) -> None:
        """Begin anew: after a sync a file may have other lines at the same place."""
        index.run("DELETE FROM journals")
        index.run("DELETE FROM events")
        index.run("DELETE FROM states")
        self.catch_up(index)

    def of(self, index: Index, memory: str) -> list[Event]:
        """A memory's events in their order."""
        rows = index.run(
            f"SELECT {_FIELDS} FROM events WHERE memory = ? ORDER BY time, id",  # noqa: S608
            (memory,),
        )
        return [_event(row) for row in rows]

    def kind(self, index: Index, kind: str) -> list[Event]:
        """All events of one kind in their order."""
        rows = index.run(
            f"SELECT {_FIELDS} FROM events WHERE kind = ? ORDER BY time, id",  # noqa: S608
            (kind,),
        )
        return [_event(row) for row in rows]

    def state(self, index: Index, memory: str) -> State:
        """What a memory's events come to."""
        row = index.run(
            "SELECT strength, time, against, uses, last FROM states WHERE memory = ?", (memory,)
        ).fetchone()
        if row is None:
            return born(index.born(memory) or time.time())
        return State(row[0], row[1], tuple(row[2].split()), row[3], row[4])

    def strength(self, index: Index, memory: str, now: float | None = None) -> float:
        """How strong a memory is."""
        moment = time.time() if now is None else now
        return self.state(index, memory).at(moment, self.parameters)

    def contradicting(self, index: Index, memory: str) -> list[str]:
        """The memories that this one contradicts."""
        rows = index.run("SELECT DISTINCT memory FROM events WHERE other = ?", (memory,))
        found = sorted(row[0] for row in rows)
        return [name for name in found if memory in self.state(index, name).contradicted_by]

    def recount(self, index: Index) -> None:
        """After a change of the parameters."""
        index.run("DELETE FROM states")
        for (memory,) in index.run("SELECT DISTINCT memory FROM events").fetchall():
            self._count(index, memory)

    def _take(self, index: Index, events: Iterable[Event]) -> set[str]:
        touched = set()
        for e in events:
            done = index.run(
                f"INSERT OR IGNORE INTO events ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (e.id, e.time, e.memory, e.kind, e.by, e.path, e.other, e.about),
            )
            if done.rowcount:
                touched.add(e.memory)
        return touched

    def _count(self, index: Index, memory: str) -> None:
        events = self.of(index, memory)
        birth = index.born(memory)
        begun = min(event.time for event in events) if birth is None else birth
        state = state_of(begun, events, self.parameters)
        index.run(
            "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?)",
            (memory, state.strength, state.time, " ".join(state.contradicted_by), state.uses,
             state.last),
        )  # fmt: skip


def _event(row: tuple[str, float, str, str, str, str, str, str]) -> Event:
    name, moment, memory, kind, by, path, other, about = row
    return Event(moment, name, memory, kind, by, path, other, about)
