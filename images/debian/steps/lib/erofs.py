"""The root file system's format: one way to call mkfs.erofs, whole or onto an earlier image.

An incremental call writes the metadata of what it adds, links it into the directories that are
there, and leaves every other block as it was. That makes a change of one file a matter of
milliseconds, and the result is as deterministic as a whole one.
"""

from __future__ import annotations

from pathlib import Path

from lib import tar
from lib.step import EPOCH, tool

SALT = bytes.fromhex("6d65736f" * 8)
VERITY_ID = "6d65736f-0000-4000-8000-000000000002"
_ROOT_ID = "6d65736f-0000-4000-8000-000000000001"
# The number of workers is fixed: the bits must not depend on the computer.
_OPTIONS = ("--quiet", "--workers=2", "--tar=f", "-C65536", "-U", _ROOT_ID, f"-T{EPOCH}")
# The base is packed once, so it may take longer: a tenth less space than plain lz4, read as fast.
# What is added is packed with every change of a key.
_BASE, _ADDED = "-zlz4hc,level=3", "-zlz4"


def pack(image: Path, layers: list[Path], *, onto: bool = False) -> None:
    """Writes tar layers, lowest first, into `image`; with `onto`, over what it holds already.

    (mkfs.erofs 1.8 has --offset, but adds to an image there at the wrong place.)
    """
    options = (*_OPTIONS, _ADDED, "--incremental=data") if onto else (*_OPTIONS, _BASE)
    tool("mkfs.erofs", *options, image, files=layers, data=tar.END)
