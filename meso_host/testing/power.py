"""Power cuts: what a service acknowledged is still there, and the machine boots healthy.

Each round writes over the session manager's socket, cuts the power while it
writes, boots, and compares. The disk forgets what was not flushed; by chance of
one half a random half of it survives, in any order, as on real hardware. Something
is always unflushed: a second writer leaves sectors so on purpose.

Before the cut, the state partition is examined several times as a cut at that instant
would have left it (`crash`), while the machine goes on writing.

Every second round cuts the power in the middle of the boot that follows, too, and
the first boot of a new machine, in which its state partition grows, is cut at the
campaign's beginning and every eighth round.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from meso_host.errors import HostError
from meso_host.testing import crash
from meso_host.vm.lab import LOGIN_SECONDS, LabMachine
from meso_host.vm.power.disk import Loss
from meso_services.runtime import process

FIRST_WRITE_SECONDS = 600.0
ANSWER_SECONDS = 600.0
# How long a cut waits for unflushed sectors; the scribbler leaves some every few milliseconds.
UNFLUSHED_SECONDS = 60.0
ROUNDS_OF_A_MACHINE = 8
STATES = 10
# Of what was not flushed, how much a cut leaves.
SHARES = (0.0, 0.5)
# Where a boot is cut, or up to so many seconds later: the kernel, the mount of state, services.
# Each must stand on the console of every boot, or the campaign waits for what never comes.
BOOT_MARKS = (("Linux version", 15.0), ("meso-initrd: slot", 15.0), ("meso-initrd: slot", 45.0))

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
# Runs in the guest as root: reaches the disk past every cache but the disk's own, and never
# asks that one to be flushed.
SCRIBBLER = """
import mmap, os, time
file = os.open("/state/unflushed", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
page = mmap.mmap(-1, 65536)
number = 0
while True:
    page[:8] = number.to_bytes(8, "little")
    os.pwrite(file, page, 0)
    number += 1
    time.sleep(0.005)
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
    cuts_with_loss: int = 0
    acknowledged: int = 0
    crash_states: int = 0
    unflushed_sectors: int = 0
    kept_sectors: int = 0
    failures: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int]:
        """The figures, by what they count."""
        return {
            "power cuts while writing": self.rounds,
            "power cuts while booting": self.boot_cuts,
            "crash states examined without a boot": self.crash_states,
            "acknowledged entries, each looked for after the cut": self.acknowledged,
            "cuts and crash states with unflushed sectors": self.cuts_with_loss,
            "sectors not flushed at a cut": self.unflushed_sectors,
            "of these, sectors that reached the disk": self.kept_sectors,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """What one round wrote: the session, and the entries that were acknowledged."""

    session: str
    entries: tuple[str, ...]


def campaign(
    machine: LabMachine, go_on: Callable[[int], bool], seed: int = 0, states: int = STATES
) -> Tally:
    """Cut the power of `machine` (made with `power_cut`, off) as long as `go_on(rounds)`.

    Each round examines `states` crash states before its cut.

    A machine that does not come back, or that lost an acknowledged entry, ends
    the campaign with a failure.
    """
    draw = random.Random(seed)  # noqa: S311 (a test's choice, not a secret)
    tally = Tally()
    while go_on(tally.rounds) and not tally.failures:
        try:
            if tally.rounds % ROUNDS_OF_A_MACHINE == 0:
                _begin(machine, tally, draw)
            _round(machine, tally, draw, states)
        except (HostError, process.CommandError) as error:
            tally.failures.append(f"round {tally.rounds + 1}: {error}")
    return tally


def _begin(machine: LabMachine, tally: Tally, draw: random.Random) -> None:
    """A new machine, up, whose first boot was cut."""
    machine.kill()
    machine.renew()
    _cut_while_booting(machine, tally, draw)
    # Its host key may or may not have outlived the cut; a client would refuse another one.
    machine.files.known_hosts.unlink(missing_ok=True)
    machine.start()


def _round(machine: LabMachine, tally: Tally, draw: random.Random, states: int) -> None:
    written = _write_and_cut(machine, tally, draw, states)
    if tally.rounds % 2 == 1:
        _cut_while_booting(machine, tally, draw)
    machine.start()
    tally.rounds += 1
    tally.acknowledged += len(written.entries)
    reader = f"python3 -I -c '{READER}' {written.session}"
    answer = machine.run(reader, "operator", ANSWER_SECONDS, check=True)
    found = set(json.loads(answer.stdout))
    lost = [entry for entry in written.entries if entry not in found]
    if lost:
        tally.failures.append(
            f"round {tally.rounds}: {len(lost)} of {len(written.entries)} acknowledged entries "
            f"of session {written.session} are gone, the first is {lost[0]}"
        )
    units = "systemctl list-units --state=failed --no-legend --plain"
    failed = machine.run(units, timeout=ANSWER_SECONDS).stdout.strip()
    if failed:
        tally.failures.append(f"round {tally.rounds}: failed units after the cut: {failed}")


def _write_and_cut(machine: LabMachine, tally: Tally, draw: random.Random, states: int) -> Written:
    scribbler = process.start([*machine.guest.ssh_command("root"), f"python3 -I -c '{SCRIBBLER}'"])
    argv = [*machine.guest.ssh_command(), f"python3 -I -c '{WRITER}'"]
    writer = process.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines: list[str] = []
    try:
        threading.Thread(target=_collect, args=(writer, lines), daemon=True).start()
        _wait_for_first(writer, lines)
        for _ in range(states):
            time.sleep(draw.uniform(0.0, 1.0))
            _examine(machine, tally, draw, lines)
        time.sleep(draw.uniform(0.2, 6.0))
        # Only what was acknowledged before the power went is promised.
        known = list(lines)
        _cut(machine, tally, draw, wait=UNFLUSHED_SECONDS)
    finally:
        for child in (writer, scribbler):
            child.kill()
            child.wait()
    pairs = [line.split() for line in known]
    return Written(pairs[0][0], tuple(entry for _, entry in pairs))


def _wait_for_first(writer: subprocess.Popen[bytes], lines: list[str]) -> None:
    end = time.monotonic() + FIRST_WRITE_SECONDS
    while not lines:
        if writer.poll() is not None or time.monotonic() > end:
            said = writer.stderr.read().decode() if writer.stderr and writer.poll() else ""
            raise HostError("soak.no_write", f"nothing was written: {said}", remedy="See above.")
        time.sleep(0.05)


def _examine(machine: LabMachine, tally: Tally, draw: random.Random, lines: Sequence[str]) -> None:
    """What a cut now would have left; the machine goes on meanwhile."""
    known = [line.split() for line in lines]
    file = machine.files.directory / "crash-state"
    try:
        loss = machine.crash_state(file, draw.choice(SHARES), draw.randrange(1 << 30))
        wrong = crash.examine(file, known[0][0], [entry for _, entry in known])
    finally:
        file.unlink(missing_ok=True)
    tally.crash_states += 1
    _count(tally, loss)
    if wrong:
        tally.failures.append(f"round {tally.rounds + 1}, crash state: {wrong}")


def _cut(machine: LabMachine, tally: Tally, draw: random.Random, wait: float) -> None:
    loss = machine.kill(draw.choice(SHARES), draw.randrange(1 << 30), wait)
    if loss is not None:
        _count(tally, loss)


def _count(tally: Tally, loss: Loss) -> None:
    tally.cuts_with_loss += loss.unflushed > 0
    tally.unflushed_sectors += loss.unflushed
    tally.kept_sectors += loss.kept


def _cut_while_booting(machine: LabMachine, tally: Tally, draw: random.Random) -> None:
    # By what the console says, not by the clock: a slow computer is cut at the same places.
    machine.start(wait=False)
    mark, later = draw.choice(BOOT_MARKS)
    machine.wait_for_console(mark, LOGIN_SECONDS * machine.plan.patience)
    time.sleep(draw.uniform(0.0, later))
    _cut(machine, tally, draw, wait=0.0)
    tally.boot_cuts += 1


def _collect(child: subprocess.Popen[bytes], lines: list[str]) -> None:
    for raw in child.stdout or ():
        text = raw.decode()
        if text.endswith("\n"):
            lines.append(text.strip())
