"""The order of the tests: quick ones first, those that boot a machine last, together.

The whole suite runs in two processes (`meso_host/testing/suite.py`): one of them has all the
machines, the other one everything else.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a computer that boots machines beside it.
settings.register_profile("meso", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("meso")

ROOMS = ("lint", "unit", "services", "nix", "vm")


def rank(item: pytest.Item) -> tuple[int, int, bool, str]:
    """Room, then shared machines before fresh ones, then what comes early, then equal machines
    side by side."""
    parts = item.path.parts
    room = next((i for i, name in enumerate(ROOMS) if name in parts), 0)
    fixtures = getattr(item, "fixturenames", ())
    kind = 2 if "fresh_machine" in fixtures else 1 if "workshop" in fixtures else 0
    wanted = item.get_closest_marker("machine")
    late = item.get_closest_marker("early") is None
    return room, kind, late, repr(sorted(wanted.kwargs.items())) if wanted else ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort after the shuffling; the order within a group stays shuffled."""
    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Which tests stay together in one process: a file's, which share services, and all that
    boot machines, one of which may run at a time."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 (only where it is used)

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "machines" if nodeid.startswith("tests/vm/") else nodeid.partition("::")[0]

    return Together(config, log)
