"""The state partition's content: an empty ext4 of the smallest useful size, able to grow."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from lib.step import NAMESPACE, output, read_spec, tool

_GROWS_TO = 4 << 40  # bytes: what the state file system can grow to while mounted
_JOURNAL = 32  # MiB


@dataclass(frozen=True)
class Spec:
    """`size` is in bytes."""

    size: int


def main() -> None:
    """Writes the sparse file state.ext4.

    The kernel keeps the share of blocks reserved for root, in whole percent, as it grows: two
    percent of this small one, rounded down twice, are one percent of the large one.
    """
    spec, out = read_spec(Spec), output()
    identity = str(uuid.uuid5(NAMESPACE, "state-fs"))
    extended = (
        f"hash_seed={uuid.uuid5(NAMESPACE, 'hash')},root_owner=0:0,"
        f"lazy_itable_init=0,resize={_GROWS_TO >> 12}"
    )
    options = ("-q", "-F", "-b4096", "-i16384", "-I256", "-m2", "-Lmeso-state")
    words = (*options, f"-Jsize={_JOURNAL}", "-U", identity, "-E", extended)
    tool("mke2fs", "-text4", *words, out / "state.ext4", f"{spec.size >> 10}k")
