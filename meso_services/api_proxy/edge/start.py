"""The courier of one process: made at the start, kept through reloads."""

from __future__ import annotations

from meso_services.api_proxy.edge.courier import Courier
from meso_services.api_proxy.edge.queue import Queue
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context


def courier_of(context: Context[Settings]) -> Courier:
    """The courier, under the settings of `context`."""
    place = context.paths.private(context.service) / "edge"
    courier = context.kept.get("courier", lambda: Courier(Queue(place)))
    courier.use([one for one in context.settings.upstreams if one.kind == "edge"])
    return courier
