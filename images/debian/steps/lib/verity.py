"""dm-verity: the hash tree over a file system, in the on-disk format that veritysetup writes."""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

BLOCK = 4096
_DIGEST = 32


@dataclass(frozen=True)
class Tree:
    """`data` is the content of the hash partition, `root` the root hash in hex."""

    data: bytes
    root: str
    blocks: int


def _level(content: mmap | bytes, salt: bytes) -> bytes:
    start = hashlib.sha256(salt)
    digests = []
    view = memoryview(content)
    for at in range(0, len(view), BLOCK):
        one = start.copy()
        one.update(view[at : at + BLOCK])
        digests.append(one.digest())
    view.release()
    joined = b"".join(digests)
    return joined + bytes(-len(joined) % BLOCK)


def _superblock(identity: str, blocks: int, salt: bytes) -> bytes:
    head = struct.pack("<8sII", b"verity\0\0", 1, 1) + uuid.UUID(identity).bytes
    head += struct.pack("<32sIIQH6x", b"sha256", BLOCK, BLOCK, blocks, len(salt))
    return (head + salt.ljust(256, b"\0")).ljust(BLOCK, b"\0")


def tree(path: Path, identity: str, salt: bytes) -> Tree:
    """Hashes a file whose size is a multiple of 4096 and more than one block."""
    with path.open("rb") as source, mmap(source.fileno(), 0, access=ACCESS_READ) as content:
        blocks, rest = divmod(len(content), BLOCK)
        if rest or blocks < 2:
            raise ValueError(f"{path}: {len(content)} bytes are not whole blocks")
        levels = [_level(content, salt)]
    while len(levels[0]) > BLOCK:
        levels.insert(0, _level(levels[0], salt))
    root = hashlib.sha256(salt + levels[0]).hexdigest()
    return Tree(_superblock(identity, blocks, salt) + b"".join(levels), root, blocks)


def partition_ids(root: str) -> tuple[str, str]:
    """The partition UUIDs of root and hash tree: the root hash's first and last 128 bits."""
    return str(uuid.UUID(root[:32])), str(uuid.UUID(root[-32:]))
