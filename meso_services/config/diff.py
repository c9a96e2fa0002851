"""Two configurations → what differs, and which mechanism moves each key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meso_services.config.appliance import Appliance
from meso_services.config.keys import scope_of
from meso_services.config.mistakes import Key, write_key
from meso_services.runtime.settings import Scope

MECHANISM: dict[Scope, str] = {
    "generation": "meso rebuild switch",
    "image": "meso os update",
    "flash": "meso flash",
}


@dataclass(frozen=True)
class Change:
    """One key that differs. None stands for a key that one side lacks."""

    key: str
    old: Any
    new: Any
    scope: Scope

    @property
    def mechanism(self) -> str:
        """The command that brings the change to an appliance."""
        return MECHANISM[self.scope]


def diff(old: Appliance, new: Appliance) -> list[Change]:
    """Every key that differs, in the model's order; defaults are filled in on both sides."""
    before, after = dict(_leaves(old.render(), ())), dict(_leaves(new.render(), ()))
    keys = list(dict.fromkeys([*before, *after]))
    return [
        Change(write_key(key), before.get(key), after.get(key), scope_of(key))
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Tables are taken apart; a list is one value, since its order counts."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, (*key, name))
    else:
        yield key, value
