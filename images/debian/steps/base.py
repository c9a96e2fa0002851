"""What no configuration changes, packed once: packages, kernel modules and Python libraries.

The digests of its blocks are kept beside it, so that the root, of which nearly all blocks are
these, hashes only its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lib import erofs, verity
from lib.step import output, read_spec


@dataclass(frozen=True)
class Spec:
    """`layers` are tar layers, lowest first."""

    layers: list[str]


def main() -> None:
    """Writes base.erofs and base.digests."""
    spec, out = read_spec(Spec), output()
    erofs.pack(out / "base.erofs", [Path(layer) for layer in spec.layers])
    with (out / "base.erofs").open("rb") as made:
        (out / "base.digests").write_bytes(verity.digests(made, erofs.SALT))
