"""One request, where it stands, and what the client got."""

from __future__ import annotations

from dataclasses import dataclass

from meso_services.api_proxy.buffers import Held
from meso_services.api_proxy.care.interface import CachedReply, Outcome
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.meter import Meter
from meso_services.api_proxy.routing.decide import Target
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.plan import Incoming, Plan
from meso_services.api_proxy.wire import Client

JSON = ("content-type", "application/json")
STREAM = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
# What of an upstream's head means something to a client of another API.
KEPT = frozenset({"request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"})


@dataclass
class Exchange:
    """`began` and `first_byte` are of time.perf_counter. `meter` counts the latest try."""

    facts: Facts
    incoming: Incoming
    client: Client
    held: Held
    settings: Settings
    began: float
    first_byte: float | None = None
    meter: Meter | None = None


@dataclass(frozen=True)
class Delivered:
    """What the client got. `kept` only where it may be given again."""

    status: int
    outcome: Outcome
    kept: CachedReply | None = None


@dataclass(frozen=True)
class Try:
    """One try: what is sent where, and whether the answer may be kept."""

    plan: Plan
    target: Target
    keep: bool

    @property
    def said(self) -> list[tuple[str, str]]:
        """Headers of ours: who served the request, and what of it was not passed on."""
        found = [("x-meso-upstream", self.target.upstream.name)]
        if self.plan.untranslated:
            words = ", ".join(self.plan.untranslated).encode("ascii", "replace").decode()
            # A name in the client's own request could hold anything.
            clean = "".join(letter if letter.isprintable() else "?" for letter in words)
            found.append(("x-meso-untranslated", clean[:1000]))
        return found
