"""How large the thinking pool was at each time: the audit knows every change of its setting."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from meso_services.mind import lines, session

KEY = "active_pool_size"
# From an iteration on, and the size.
Sizes = Sequence[tuple[int, int]]


def read(directory: Path, today: int) -> list[tuple[int, int]]:
    """The sizes in their order, the first from iteration 0 on. A change counts from the iteration
    that was run next. Where the audit says nothing it is `today`'s. Raises DocumentError.
    """
    found: list[tuple[int, int]] = []
    for line in lines.read(directory, session.INTERVENTIONS, 1 << 62):
        content, since = line.get("content"), line.get("iteration")
        if not isinstance(content, dict) or not isinstance(since, int):
            continue
        match line.get("type"):
            case "init":
                config = content.get("config")
                found = _sizes([[0, config.get(KEY)]]) if isinstance(config, dict) else []
            case "extract":
                # A fork begins with what its origin had been through.
                found = _sizes(content.get(KEY)) or found
            case "config":
                found += _sizes([[since, content.get(KEY)]])
    return found or [(0, today)]


def at(sizes: Sizes, iteration: int) -> int:
    """The size that an iteration found."""
    return sizes[max(0, bisect_right(sizes, iteration, key=lambda one: one[0]) - 1)][1]


def _sizes(listed: object) -> list[tuple[int, int]]:
    if not isinstance(listed, list):
        return []
    return [
        (one[0], one[1])
        for one in listed
        if isinstance(one, (list, tuple)) and len(one) == 2 and all(type(n) is int for n in one)
    ]
