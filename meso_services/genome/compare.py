"""Two identities beside each other, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from meso_services.contract.identity_hash import PARTS

Digests = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Change:
    """One file that differs: its part, its path there, and how the second has it."""

    part: Literal["genome", "operons", "zooids"]
    path: str
    change: Literal["added", "changed", "removed"]


def compare(first: Digests, second: Digests) -> tuple[Change, ...]:
    """What changed from the first to the second (part → path → SHA-256), in order of the paths."""
    changes = []
    for part in PARTS:
        old, new = first.get(part, {}), second.get(part, {})
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path):
                how = "added" if path not in old else "changed" if path in new else "removed"
                changes.append(Change(part, path, how))  # type: ignore[arg-type]
    return tuple(changes)
