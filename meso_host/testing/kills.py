"""Kills: a session manager that is killed while it appends keeps what it acknowledged.

Each writer appends entries and makes and changes tasks in turn: both logs are promised alike.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meso_host.testing.local import Local, started
from meso_services.contract.client import CallError, Connection, SessionManager
from meso_services.contract.session import CreateSession, NewEntry
from meso_services.contract.tasks import CreateTask, TaskStatus, UpdateTask
from meso_services.contract.tasks_client import Tasks

WRITERS = 3
MOST_BEFORE_A_KILL = 12
LONGEST_ENTRY = 3000


@dataclass(slots=True)
class Tally:
    """What the rounds have shown so far. `failures` are sentences."""

    kills: int = 0
    acknowledged: int = 0
    found: int = 0
    failures: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int]:
        """The figures, by what they count."""
        return {
            "kills of the session manager while it appended": self.kills,
            "acknowledged entries and changes of tasks, each looked for afterwards": (
                self.acknowledged
            ),
            "of these found (some were durable before they could be acknowledged)": self.found,
        }


def campaign(root: Path, go_on: Callable[[int], bool], seed: int) -> Tally:
    """Kill the service at random moments as long as `go_on(kills)`; then compare."""
    tally, acknowledged = Tally(), list[str]()
    chance = random.Random(seed)  # noqa: S311 (the moments of the kills, nothing secret)
    with started("session-manager", root) as service:
        with Connection(service.service, service.sockets) as connection:
            session = SessionManager(connection).create(CreateSession(name="kills")).id
        while go_on(tally.kills):
            _round(service, session, acknowledged, chance)
            tally.kills += 1
        with Connection(service.service, service.sockets) as connection:
            found = _everything(connection, session)
    tally.acknowledged, tally.found = len(acknowledged), len(found)
    if lost := set(acknowledged) - set(found):
        tally.failures.append(f"{len(lost)} acknowledged changes are gone, seed {seed}")
    if len(found) != len(set(found)):
        tally.failures.append(f"an entry is there twice, seed {seed}")
    return tally


def _everything(connection: Connection, session: str) -> list[str]:
    """The ids of all entries, and of all changes of tasks by their task and version."""
    tasks = Tasks(connection)
    changes = [f"{t.id} {n}" for t in tasks.tasks() for n in range(1, t.version + 1)]
    return [*(entry.id for entry in SessionManager(connection).entries(session)), *changes]


def _round(service: Local, session: str, acknowledged: list[str], chance: random.Random) -> None:
    enough = len(acknowledged) + chance.randint(1, MOST_BEFORE_A_KILL)
    writers = [
        threading.Thread(target=_write, args=(service, session, acknowledged))
        for _ in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    while len(acknowledged) < enough and any(writer.is_alive() for writer in writers):
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.01))
    service.kill()
    for writer in writers:
        writer.join()
    service.start()


def _write(service: Local, session: str, acknowledged: list[str]) -> None:
    """Append until the service is gone."""
    with Connection(service.service, service.sockets, patience=0) as connection:
        manager, tasks = SessionManager(connection), Tasks(connection)
        try:
            while True:
                pad = "x" * (len(acknowledged) % LONGEST_ENTRY)
                entry = manager.append(session, NewEntry(type="custom", data={"pad": pad}))
                acknowledged.append(entry.id)
                task = tasks.create(CreateTask(subject="keep this", description=pad))
                acknowledged.append(f"{task.id} {task.version}")
                done = tasks.update(task.id, UpdateTask(status=TaskStatus.COMPLETED))
                acknowledged.append(f"{done.id} {done.version}")
        except CallError:
            return
