"""Can the API proxy do its work?"""

from __future__ import annotations

import secrets
from pathlib import Path

from meso_services.api_proxy.routing.nowhere import UPSTREAMS
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.keys import key_of
from meso_services.runtime import durable
from meso_services.runtime.health import Check, Finding, in_thread


def checks(settings: Settings, state: Path) -> list[Check]:
    """Upstreams and their keys; the state directory. No check needs the network."""

    async def upstreams() -> Finding:
        if not settings.upstreams:
            return Finding(False, f"no upstream is configured: set {UPSTREAMS}")
        for upstream in settings.upstreams:
            key_of(upstream)
        return Finding(True, f"{len(settings.upstreams)} configured")

    return [
        Check("upstreams", upstreams, required=False),
        Check("state", in_thread(lambda: _state(state)), deep=True),
    ]


def _state(place: Path) -> Finding:
    durable.make_directories(place)
    probe = place / f".health-{secrets.token_hex(8)}"
    try:
        durable.write(probe, b"probe")
        same = probe.read_bytes() == b"probe"
    finally:
        durable.remove(probe)
    return Finding(same, "" if same else f"{place} gives back something else than was written")
