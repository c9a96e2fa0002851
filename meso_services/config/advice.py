"""What is allowed in an appliance's file and still deserves a word. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from meso_services.config.appliance import Appliance
from meso_services.config.notify import URL


def advise(appliance: Appliance) -> Iterator[str]:
    """One sentence or two for each thing that the operator may come to regret."""
    if appliance.boot.menu_seconds == 0:
        yield (
            "boot.menu_seconds = 0 hides the boot menu, and with it recovery: an older version "
            "cannot be picked by hand when this one does not start. 3 is the default."
        )
    if found := URL.fullmatch(appliance.notify.webhook):
        place = found["host"] if not found["port"] else f"{found['host']}:{found['port']}"
        yield from _unreachable(place, appliance.services.api_proxy.egress.allow)


def _unreachable(place: str, allow: tuple[str, ...]) -> Iterator[str]:
    host = place.partition(":")[0]
    above = host.partition(".")[2]
    if not {place, host, f"*.{above}", "*"} & set(allow):
        yield (
            f"notify.webhook: services.api_proxy.egress.allow does not have {place}, so the "
            "egress door will refuse it."
        )
