"""Tells of a unit that failed: `python3 -m meso_services.boot.failed UNIT`.

systemd starts it for every service of the machine that fails. It puts the failure
on record for `meso status`, says it on the console, and tells the operator's
webhook, if there is one, through the API proxy's egress door.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from meso_services.boot import notices
from meso_services.boot.machine import Machine, first_line, version
from meso_services.boot.notices import Notice
from meso_services.runtime import process

USAGE = "usage: python3 -m meso_services.boot.failed UNIT"
ERROR, WARNING, NOTE = "<3>", "<4>", "<5>"
# Systemd's own word for a unit that will be started again by itself.
COMES_BACK = ("activating", "active", "reloading")


def record(machine: Machine, unit: str) -> Notice:
    """Ask systemd how the unit is, and put its failure on record."""
    facts = _show(unit)
    notice = Notice(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        boot_id=first_line(machine.boot_id),
        unit=unit,
        result=os.environ.get("MONITOR_SERVICE_RESULT") or facts.get("Result", "unknown"),
        restarted=facts.get("ActiveState") in COMES_BACK,
    )
    with _alone(machine.records):
        notices.add(machine.records, notice)
    return notice


def tell(machine: Machine, notice: Notice) -> str:
    """Tell the webhook of the current generation; what came of it, empty without a webhook."""
    try:
        system = json.loads((machine.sockets / "current/config/system.json").read_text())
        url = str(system.get("notify", {}).get("webhook") or "")
    except (OSError, ValueError, AttributeError):
        return ""
    if not url:
        return ""
    from meso_services.boot import webhook  # noqa: PLC0415 (TLS and HTTP, rarely wanted)

    document = {"schema": 1, "hostname": os.uname().nodename, "version": version(machine)}
    return webhook.post(machine.sockets, url, document | asdict(notice))


def _show(unit: str) -> dict[str, str]:
    asked = ["systemctl", "show", "-p", "ActiveState", "-p", "SubState", "-p", "Result", unit]
    try:
        lines = process.run(asked, timeout=20).stdout.splitlines()
    except process.CommandError:
        return {}
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    # Two units may fail at once, and each failure rewrites the file.
    with (directory / ".notices.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(argv: list[str]) -> int:
    """The program; exit status 2 for a wrong call."""
    if len(argv) != 1:
        sys.stderr.write(USAGE + "\n")
        return 2
    machine = Machine()
    notice = record(machine, argv[0])
    level = WARNING if notice.restarted else ERROR
    sys.stdout.write(f"{level}MESO OS {version(machine)}: {notice.sentence()}\n")
    sys.stdout.flush()
    if said := tell(machine, notice):
        sys.stdout.write(f"{NOTE}{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
