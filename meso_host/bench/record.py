"""One measured figure, with what it is to be compared to."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Against:
    """What a figure is held against: a `peer` measured too, or a `bound` that was set."""

    kind: str
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Record:
    """`value` in `unit`; smaller is better unless `more_is_better`."""

    name: str
    value: float
    unit: str
    against: Against | None = None
    more_is_better: bool = False

    def document(self, area: str, machine: str) -> dict[str, Any]:
        """For programs: one flat object."""
        found: dict[str, Any] = {"area": area, "name": self.name}
        found |= {"value": self.value, "unit": self.unit}
        if self.against:
            found |= {self.against.kind: self.against.value}
            found |= {f"{self.against.kind}_name": self.against.name}
        return found | {"machine": machine}

    def verdict(self) -> str:
        """`within`, `beyond`, or how many times better or worse than the peer."""
        if self.against is None:
            return ""
        bound = self.against.value
        if self.against.kind == "bound":
            kept = self.value >= bound if self.more_is_better else self.value <= bound
            return "within" if kept else "BEYOND"
        if not self.value or not bound:
            return ""
        better = self.value / bound if self.more_is_better else bound / self.value
        return f"{better:.1f} times better" if better >= 1 else f"{1 / better:.1f} times worse"


def row(record: Record) -> tuple[str, ...]:
    """The record as a line of the table."""
    against = record.against
    beside = f"{against.value:g} {record.unit} ({against.name})" if against else ""
    return record.name, f"{record.value:.4g} {record.unit}", beside, record.verdict()


HEAD: Sequence[str] = ("WHAT", "MEASURED", "AGAINST", "VERDICT")


def machine() -> str:
    """The computer that figures are taken on: processors, their model, memory."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    model = next((x.partition(":")[2].strip() for x in cpu if x.startswith("model name")), "")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} x {model or platform.machine()}, {pages / (1 << 30):.0f} GiB"
