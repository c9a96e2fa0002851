"""dm-verity: the hash tree over a file system, in the on-disk format that veritysetup writes."""

from __future__ import annotations

import hashlib
import io
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 4096
_DIGEST = 32
_PIECE = 64 * BLOCK


@dataclass(frozen=True)
class Tree:
    """`data` is the content of the hash partition, `root` the root hash in hex."""

    data: bytes
    root: str
    blocks: int


@dataclass(frozen=True)
class Known:
    """A file whose blocks are hashed already: `digests` are one for each, joined."""

    path: Path
    digests: bytes


def _level(content: bytes, salt: bytes) -> bytes:
    start = hashlib.sha256(salt)
    found = []
    view = memoryview(content)
    for at in range(0, len(view), BLOCK):
        one = start.copy()
        one.update(view[at : at + BLOCK])
        found.append(one.digest())
    return b"".join(found)


def _padded(level: bytes) -> bytes:
    return level + bytes(-len(level) % BLOCK)


def digests(source: BinaryIO, salt: bytes, known: Known | None = None) -> bytes:
    """One digest for each block of a file.

    What equals a known file's is not hashed again. Raises ValueError unless there are whole
    blocks, and more than one.
    """
    found, at = [], 0
    with known.path.open("rb") if known else io.BytesIO() as before:
        while piece := source.read(_PIECE):
            end = at + len(piece) // BLOCK * _DIGEST
            same = known and before.read(len(piece)) == piece
            found.append(known.digests[at:end] if known and same else _level(piece, salt))
            at = end
            if len(piece) % BLOCK:
                raise ValueError(f"{len(piece) % BLOCK} bytes at the end are no whole block")
    if at <= _DIGEST:
        raise ValueError("a hash tree needs more than one block")
    return b"".join(found)


def _superblock(identity: str, blocks: int, salt: bytes) -> bytes:
    head = struct.pack("<8sII", b"verity\0\0", 1, 1) + uuid.UUID(identity).bytes
    head += struct.pack("<32sIIQH6x", b"sha256", BLOCK, BLOCK, blocks, len(salt))
    return (head + salt.ljust(256, b"\0")).ljust(BLOCK, b"\0")


def tree(source: BinaryIO, identity: str, salt: bytes, known: Known | None = None) -> Tree:
    """Hashes a file. Raises ValueError as `digests` does."""
    leaves = digests(source, salt, known)
    levels = [_padded(leaves)]
    while len(levels[0]) > BLOCK:
        levels.insert(0, _padded(_level(levels[0], salt)))
    root = hashlib.sha256(salt + levels[0]).hexdigest()
    blocks = len(leaves) // _DIGEST
    return Tree(_superblock(identity, blocks, salt) + b"".join(levels), root, blocks)


def partition_ids(root: str) -> tuple[str, str]:
    """The partition UUIDs of root and hash tree: the root hash's first and last 128 bits."""
    return str(uuid.UUID(root[:32])), str(uuid.UUID(root[-32:]))
