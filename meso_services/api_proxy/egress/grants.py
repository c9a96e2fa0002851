"""Who may reach which host, until when. In memory alone: a restart ends every grant."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meso_services.api_proxy.egress.hosts import Host, Rule, allowed
from meso_services.runtime.errors import MesoError


@dataclass(eq=False)
class Held:
    """A grant in force; `tunnels` are the tasks of its open connections."""

    id: str
    caller: str
    uid: int
    rules: tuple[Rule, ...]
    until: float
    tunnels: set[asyncio.Task[Any]] = field(default_factory=set)

    def covers(self, host: Host) -> bool:
        """True if the grant names the host."""
        return allowed(self.rules, host)


class GrantBook:
    """Every grant in force, by the hash of its token: the token itself is not kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, Held] = {}

    def give(
        self, caller: str, uid: int, rules: tuple[Rule, ...], seconds: float, most: int
    ) -> tuple[str, Held]:
        """A new token and its grant. Raises `egress.too_many_grants`."""
        self._forget_expired()
        if len(self._held) >= most:
            raise MesoError(
                "egress.too_many_grants",
                f"{most} grants count already",
                status=503,
                hint="end those that are done with, or raise services.api_proxy.egress.max_grants",
                headers={"retry-after": "5"},
            )
        token = secrets.token_urlsafe(32)
        held = Held(secrets.token_hex(6), caller, uid, rules, self._clock() + seconds)
        self._held[_hash(token)] = held
        return token, held

    def find(self, token: str) -> Held | None:
        """The grant of that token, if it counts."""
        held = self._held.get(_hash(token))
        return held if held is not None and held.until > self._clock() else None

    def left(self, held: Held) -> float:
        """Seconds until the grant ends."""
        return max(0.0, held.until - self._clock())

    def end(self, token: str) -> int:
        """Forget the grant and close its connections; how many those were."""
        held = self._held.pop(_hash(token), None)
        return _close(held) if held else 0

    def end_all(self) -> None:
        """The service stops."""
        while self._held:
            _close(self._held.popitem()[1])

    def _forget_expired(self) -> None:
        now = self._clock()
        for key in [key for key, held in self._held.items() if held.until <= now]:
            del self._held[key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _close(held: Held) -> int:
    running = [task for task in held.tunnels if not task.done()]
    for task in running:
        task.cancel()
    return len(running)
