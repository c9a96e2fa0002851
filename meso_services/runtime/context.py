"""What a service's application is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from meso_services.runtime.health import Check
from meso_services.runtime.paths import Paths
from meso_services.runtime.settings import ServiceSettings

S_co = TypeVar("S_co", bound=ServiceSettings, covariant=True)
T = TypeVar("T")


class Kept:
    """Things that live as long as the process: an open store, a lock. A reload keeps them."""

    def __init__(self) -> None:
        self._things: dict[str, Any] = {}
        self._closers: list[Callable[[], None]] = []

    def get(self, name: str, make: Callable[[], T], close: Callable[[T], None] | None = None) -> T:
        """Return the thing called `name`; the first call makes it, the process's end closes it."""
        if name not in self._things:
            made = make()
            self._things[name] = made
            if close is not None:
                self._closers.append(lambda: close(made))
        found: T = self._things[name]
        return found

    def close(self) -> None:
        """Close in reverse order of making."""
        while self._closers:
            self._closers.pop()()


@dataclass(frozen=True)
class Context(Generic[S_co]):
    """The state an application serves from. Never changed: a reload makes another one."""

    service: str
    version: str
    generation: str
    settings: S_co
    paths: Paths
    kept: Kept = field(default_factory=Kept)
    own_checks: tuple[Check, ...] = ()
