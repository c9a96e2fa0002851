"""The status of an appliance as one value; `asdict` of it is what `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Service:
    """A service. `state` is ok, degraded, failed, unreachable, starting, stopped, or idle for one
    that starts when it is asked.
    """

    name: str
    state: str
    detail: str

    @property
    def well(self) -> bool:
        """Degraded is well: no upstream and no network are not a fault."""
        return self.state in ("ok", "degraded", "idle")


@dataclass(frozen=True, slots=True)
class SlotState:
    """The running root: which slot, and whether the boot loader counts it as good."""

    letter: str
    version: str
    roothash: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """The current generation; `counter` 0 is the one in the verified root."""

    counter: int | None
    path: str
    identity: str


@dataclass(frozen=True, slots=True)
class ThisBoot:
    """What the health check found after this boot; `healthy` is None until it has ended."""

    number: int
    healthy: bool | None
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class LastBoot:
    """How the boot before this one ended, and why. Outcomes: `boot/records.py`."""

    outcome: str
    reason: str
    version: str


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes in use and in all."""

    used: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a network interface."""

    interface: str
    address: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that failed in this boot. `restarted`: systemd started it again by itself."""

    time: str
    unit: str
    result: str
    restarted: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Everything, collected at one moment."""

    version: str
    hostname: str
    healthy: bool
    uptime_seconds: float
    slot: SlotState
    generation: Generation
    services: tuple[Service, ...]
    this_boot: ThisBoot | None
    last_boot: LastBoot | None
    addresses: tuple[Address, ...]
    memory: Space
    disk: Space
    warnings: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    schema: int = SCHEMA
