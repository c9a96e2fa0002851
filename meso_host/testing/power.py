"""Power cuts: what a service acknowledged is still there, and the machine boots healthy.

Each round writes over the session manager's socket, cuts the power while it
writes, boots, and compares. The disk forgets what was not flushed; in every
other round a random half of it survives, in any order, as on real hardware.
Every fourth round also cuts the power in the middle of the boot.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from meso_host.errors import HostError
from meso_host.vm.lab import LabMachine
from meso_services.runtime import process

FIRST_WRITE_SECONDS = 120.0

# Runs in the guest as the operator, and says which entries were acknowledged.
WRITER = """
from meso_services.contract.client import Connection, SessionManager, message
from meso_services.contract.session import CreateSession
with Connection("session-manager", patience=0) as connection:
    manager = SessionManager(connection)
    session = manager.create(CreateSession(name="power cut")).id
    number = 0
    while True:
        entry = manager.append(session, message("user", f"entry {number}"))
        print(session, entry.id, flush=True)
        number += 1
"""
READER = """
import json, sys
from meso_services.contract.client import Connection, SessionManager
with Connection("session-manager") as connection:
    manager = SessionManager(connection)
    print(json.dumps([entry.id for entry in manager.entries(sys.argv[1])]))
"""


@dataclass(slots=True)
class Tally:
    """What the rounds have shown so far. `failures` are sentences."""

    rounds: int = 0
    boot_cuts: int = 0
    acknowledged: int = 0
    unflushed_sectors: int = 0
    kept_sectors: int = 0
    failures: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int]:
        """The figures, by what they count."""
        return {
            "power cuts while writing": self.rounds,
            "power cuts while booting": self.boot_cuts,
            "acknowledged entries, each looked for after the cut": self.acknowledged,
            "sectors not flushed at a cut": self.unflushed_sectors,
            "of these, sectors that reached the disk": self.kept_sectors,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """What one round wrote: the session, and the entries that were acknowledged."""

    session: str
    entries: tuple[str, ...]


def campaign(machine: LabMachine, go_on: Callable[[int], bool], seed: int = 0) -> Tally:
    """Cut the power of `machine` (made with `power_cut`, off) as long as `go_on(rounds)`.

    A machine that does not come back, or that lost an acknowledged entry, ends
    the campaign with a failure.
    """
    draw = random.Random(seed)  # noqa: S311 (a test's choice, not a secret)
    tally = Tally()
    machine.start()
    while go_on(tally.rounds) and not tally.failures:
        try:
            _round(machine, tally, draw)
        except (HostError, process.CommandError) as error:
            tally.failures.append(f"round {tally.rounds + 1}: {error}")
    return tally


def _round(machine: LabMachine, tally: Tally, draw: random.Random) -> None:
    written = _write_and_cut(machine, tally, draw)
    if tally.rounds % 4 == 3:
        _cut_while_booting(machine, tally, draw)
    machine.start()
    tally.rounds += 1
    tally.acknowledged += len(written.entries)
    answer = machine.run(f"python3 -I -c '{READER}' {written.session}", "operator", check=True)
    found = set(json.loads(answer.stdout))
    lost = [entry for entry in written.entries if entry not in found]
    if lost:
        tally.failures.append(
            f"round {tally.rounds}: {len(lost)} of {len(written.entries)} acknowledged entries "
            f"of session {written.session} are gone, the first is {lost[0]}"
        )
    failed = machine.run("systemctl list-units --state=failed --no-legend --plain").stdout.strip()
    if failed:
        tally.failures.append(f"round {tally.rounds}: failed units after the cut: {failed}")


def _write_and_cut(machine: LabMachine, tally: Tally, draw: random.Random) -> Written:
    argv = [*machine.guest.ssh_command(), f"python3 -I -c '{WRITER}'"]
    child = process.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(child, lines), daemon=True)
    reader.start()
    end = time.monotonic() + FIRST_WRITE_SECONDS
    while not lines:
        if child.poll() is not None or time.monotonic() > end:
            said = child.stderr.read().decode() if child.stderr and child.poll() else ""
            child.kill()
            raise HostError("soak.no_write", f"nothing was written: {said}", remedy="See above.")
        time.sleep(0.05)
    time.sleep(draw.uniform(0.2, 6.0))
    # Only what was acknowledged before the power went is promised.
    known = list(lines)
    loss = machine.kill(draw.choice([0.0, 0.5]), seed=draw.randrange(1 << 30))
    child.kill()
    child.wait()
    if loss is not None:
        tally.unflushed_sectors += loss.unflushed
        tally.kept_sectors += loss.kept
    pairs = [line.split() for line in known]
    return Written(pairs[0][0], tuple(entry for _, entry in pairs))


def _cut_while_booting(machine: LabMachine, tally: Tally, draw: random.Random) -> None:
    machine.start(wait=False)
    time.sleep(draw.uniform(8.0, 45.0))
    machine.kill(draw.choice([0.0, 0.5]), seed=draw.randrange(1 << 30))
    tally.boot_cuts += 1


def _collect(child: subprocess.Popen[bytes], lines: list[str]) -> None:
    for raw in child.stdout or ():
        text = raw.decode()
        if text.endswith("\n"):
            lines.append(text.strip())
