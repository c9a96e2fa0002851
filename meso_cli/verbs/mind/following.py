"""A run of the mind runner, followed until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from meso_services.contract import mind as wire
from meso_services.contract.client import Connection

PAUSE = 0.3


def follow(
    connection: Connection,
    top: str,
    stopped: Callable[[], bool],
    tell: Callable[[wire.RunState], None],
) -> wire.RunState:
    """How the latest run of the mind at `top` ended. `tell` gets what is new each time; once
    `stopped` is true, it is asked to end after its iteration. Raises CallError.
    """
    seen, shown, asked = 0, 0, False
    while True:
        if stopped() and not asked:
            asked = True
            connection.post(f"{top}/stop", wire.RunRequest(), wire.RunState, once=True)
        found = connection.get(f"{top}/run", wire.RunState, after=seen, shown=shown)
        tell(found)
        seen, shown = found.count, shown + len(found.debug)
        if found.state != "running":
            return found
        time.sleep(PAUSE)
