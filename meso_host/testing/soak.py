"""`meso test soak`: long campaigns, and the record of how the last one went."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meso_cli.progress import Progress, duration
from meso_host.build import build
from meso_host.errors import HostError
from meso_host.setup import tree
from meso_host.testing import fuzz, kills, power, proxy_soak
from meso_host.vm import accel
from meso_host.vm.lab import Lab
from meso_host.vm.machine import Machine

APPLIANCE = "x86-minipc"
DEFAULT_COUNT = 100
# A campaign of hours runs beside other work; what is slow then is not broken.
PATIENCE = 4.0
# A cut that is examined without a boot takes seconds, and one with a boot minutes.
STATES_A_ROUND = 60
RECORD = tree.TOP / "docs" / "soak.md"
HEAD = """# Long campaigns

Written by `./meso test soak`: how the last run of each campaign went. `./meso
test` runs a sample of each.
"""

GoOn = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a campaign found: figures by name, and failures as sentences."""

    facts: dict[str, int]
    failures: tuple[str, ...]


def _power(lab: Lab, go_on: GoOn) -> Outcome:
    machine = lab.fresh(APPLIANCE, Machine(), power_cut=True, patience=PATIENCE)
    try:
        tally = power.campaign(machine, go_on, seed=int(time.time()), states=STATES_A_ROUND)
    finally:
        lab.retire(machine)
    return Outcome(tally.facts(), tuple(tally.failures))


def _kills(_: Lab, go_on: GoOn) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        tally = kills.campaign(Path(place), go_on, seed=int(time.time()))
    return Outcome(tally.facts(), tuple(tally.failures))


def _fuzz(_: Lab, go_on: GoOn) -> Outcome:
    tally = fuzz.campaign(go_on)
    return Outcome(tally.facts(), tuple(tally.failures))


def _proxy(_: Lab, go_on: GoOn) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        tally = proxy_soak.campaign(Path(place), go_on)
    return Outcome(tally.facts(), tuple(tally.failures))


# One row a campaign: its name, what it is about, and what runs it.
CAMPAIGNS: dict[str, tuple[str, Callable[[Lab, GoOn], Outcome]]] = {
    "power": ("Power cuts", _power),
    "kills": ("Kills of a service", _kills),
    "proxy": ("Requests through the API proxy", _proxy),
    "fuzz": ("Fuzzed interfaces", _fuzz),
}


def run(names: Sequence[str], count: int | None, minutes: float | None) -> int:
    """Run campaigns, all of them when none is named; 1 when one failed. Raises HostError."""
    unknown = [name for name in names if name not in CAMPAIGNS]
    if unknown:
        raise HostError(
            "soak.unknown",
            f"there is no campaign `{unknown[0]}`.",
            remedy=f"These are there: {', '.join(CAMPAIGNS)}.",
        )
    failed = False
    for name in names or CAMPAIGNS:
        began = time.monotonic()
        title, campaign = CAMPAIGNS[name]
        lab = Lab(tree.STATE / "vm", build, _steps)
        try:
            outcome = campaign(lab, limit(count, minutes))
        finally:
            lab.close()
        text = section(title, outcome, time.monotonic() - began)
        record(RECORD, name, text)
        sys.stdout.write(text)
        failed = failed or bool(outcome.failures)
    return int(failed)


def limit(count: int | None, minutes: float | None) -> GoOn:
    """When to go on: as long as neither limit is reached; 100 rounds without any."""
    most = count if count or minutes else DEFAULT_COUNT
    end = time.monotonic() + minutes * 60 if minutes else None

    def go_on(rounds: int) -> bool:
        return (most is None or rounds < most) and (end is None or time.monotonic() < end)

    return go_on


def section(title: str, outcome: Outcome, seconds: float) -> str:
    """The outcome as it stands in the record."""
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"## {title}", "", f"{day}, {duration(seconds)}, {_here()}", ""]
    lines += ["| what | how many |", "|---|---|"]
    lines += [f"| {what} | {number} |" for what, number in outcome.facts.items()]
    lines += ["", "No failure." if not outcome.failures else "Failures:", ""]
    lines += [f"- {failure.splitlines()[0]}" for failure in outcome.failures]
    return "\n".join(lines).rstrip() + "\n"


def record(file: Path, name: str, text: str) -> None:
    """Put the section of the campaign `name` into `file`, in place of its last one."""
    old = file.read_text(encoding="utf-8") if file.is_file() else HEAD
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    block = f"{begin}\n{text}{end}\n"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}\n", re.DOTALL)
    new = pattern.sub(lambda _: block, old) if pattern.search(old) else f"{old}\n{block}"
    file.write_text(new, encoding="utf-8")


def _here() -> str:
    return f"{os.cpu_count()} processors ({platform.machine()}), {accel.choose('x86_64')}"


@contextmanager
def _steps(what: str) -> Iterator[Callable[[str], None]]:
    with Progress(1).step(what) as note:
        yield note
