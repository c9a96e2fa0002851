"""Waiting until a machine's services are healthy, as `meso status` on it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from meso_host.vm.guest import SSH_FAILED, Guest
from meso_services.runtime import process

# `idle` starts when it is asked.
HEALTHY = ("ok", "degraded", "idle")
# What the machine says on its console, once a boot, when its services were found healthy.
ANNOUNCED = "all six services are healthy"
# Each question costs the starting machine seconds of its processor under emulation.
ASK_SECONDS = 20.0


def status(guest: Guest, user: str = "operator") -> dict[str, Any] | None:
    """What `meso status --json` says on the machine; None while it says nothing."""
    try:
        result = guest.ssh("meso status --json", user, timeout=60)
        document = json.loads(result.stdout) if result.status != SSH_FAILED else None
    except (ValueError, process.CommandError):
        return None
    return document if isinstance(document, dict) else None


def healthy(document: dict[str, Any]) -> tuple[int, int]:
    """How many of the services are healthy, and how many there are."""
    states = [service.get("state") for service in document.get("services", [])]
    return sum(state in HEALTHY for state in states), len(states)


def wait(
    guest: Guest, seconds: float, note: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Wait until every service is healthy; the status document then.

    Raises HostError with the console's last lines when it takes longer than `seconds`.
    """
    began = asked = time.monotonic()
    said = "no service has answered"
    pulse = guest.pulse()
    while (now := time.monotonic()) < began + seconds:
        pulse.check()
        if ANNOUNCED in guest.console().text() or now > asked + ASK_SECONDS:
            document = status(guest)
            asked = time.monotonic()
            if document is not None:
                good, all_ = healthy(document)
                said = f"{good} of {all_} services are healthy"
                note(said)
                if all_ and good == all_:
                    return document
        time.sleep(1)
    raise guest.late(said, seconds)
