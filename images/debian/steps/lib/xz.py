"""Decompress an xz file with several threads, where its writer made several blocks.

Python's lzma reads a file from front to back. Debian's large packages have blocks of some 24 MiB
whose sizes stand in the index at the end, so they can be read side by side.
"""

from __future__ import annotations

import lzma
from concurrent.futures import ThreadPoolExecutor

_HEADER = 12
_FOOTER = 12
_DICTIONARY = 64 << 20


def _number(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def blocks(data: memoryview) -> list[tuple[int, int, int]]:
    """(offset, unpadded size, uncompressed size) of each block of a file with one stream."""
    if bytes(data[-2:]) != b"YZ":
        raise lzma.LZMAError("no xz footer")
    index = len(data) - _FOOTER - (int.from_bytes(data[-8:-4], "little") + 1) * 4
    count, at = _number(data, index + 1)
    found, offset = [], _HEADER
    for _ in range(count):
        unpadded, at = _number(data, at)
        size, at = _number(data, at)
        found.append((offset, unpadded, size))
        offset += -(-unpadded // 4) * 4
    if offset != index:
        raise lzma.LZMAError("several streams")
    return found


def _one(block: memoryview, size: int) -> bytes:
    # The header's length stands in its first byte; after it comes plain LZMA2. A dictionary
    # larger than the writer's is allowed and spares reading the filter's properties.
    raw = lzma.LZMADecompressor(
        lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": _DICTIONARY}]
    ).decompress(block[(block[0] + 1) * 4 :])
    if len(raw) != size:
        raise lzma.LZMAError("a block is too short")
    return raw


def decompress(data: memoryview, threads: int = 1) -> bytes:
    """The whole content. The package's own SHA-256 was checked when it entered the store."""
    parts = blocks(data) if threads > 1 else []
    if len(parts) < 2 or bytes(data[6:8]) not in (b"\0\x01", b"\0\x04"):
        return lzma.decompress(data)
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(_one, data[at : at + length], size) for at, length, size in parts]
        return b"".join(job.result() for job in jobs)
