"""The areas that can be measured, one row each. To add one: write its module, add its row."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

from meso_host.bench.record import Record

Note = Callable[[str], None]


class Area(Protocol):
    """What the module of an area offers."""

    def run(self, note: Note) -> Iterator[Record]:
        """Measure; each record is yielded as soon as it is known."""


AREAS: dict[str, str] = {
    "image": "meso_host.bench.image",
    "boot": "meso_host.bench.boot",
    "services": "meso_host.bench.services",
    "session": "meso_host.bench.session",
    "mind": "meso_host.bench.mind",
    "proxy": "meso_host.bench.proxy",
    "operons": "meso_host.bench.operons",
    "tools": "meso_host.bench.tools",
    "memory": "meso_host.bench.memory",
}


def load(name: str) -> Area:
    """The area's module."""
    return cast(Area, importlib.import_module(AREAS[name]))
