"""A GUID partition table written into a sparse disk file."""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import BinaryIO

SECTOR = 512
_ENTRIES, _ENTRY = 128, 128
_TABLE = _ENTRIES * _ENTRY // SECTOR
ALIGN = 1 << 20


@dataclass(frozen=True)
class Partition:
    """A partition at a byte offset. `type` and `id` are UUIDs, `flags` the 64 attribute bits."""

    label: str
    type: str
    id: str
    offset: int
    size: int
    flags: int = 0


def _guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def _entry(part: Partition) -> bytes:
    name = part.label.encode("utf-16-le")
    if len(name) > 72:
        raise ValueError(f"partition label {part.label!r} is longer than 36 characters")
    first, last = part.offset // SECTOR, (part.offset + part.size) // SECTOR - 1
    head = _guid(part.type) + _guid(part.id) + struct.pack("<QQQ", first, last, part.flags)
    return head + name.ljust(72, b"\0")


def _header(disk: str, size: int, table: bytes, primary: bool) -> bytes:
    last = size // SECTOR - 1
    here, other = (1, last) if primary else (last, 1)
    start = 2 if primary else last - _TABLE
    usable = (2 + _TABLE, last - _TABLE - 1)
    body = struct.pack("<QQQQ", here, other, *usable) + _guid(disk)
    body += struct.pack("<QIII", start, _ENTRIES, _ENTRY, zlib.crc32(table))
    head = b"EFI PART" + struct.pack("<II", 0x00010000, 92)
    crc = zlib.crc32(head + bytes(8) + body)
    return (head + struct.pack("<II", crc, 0) + body).ljust(SECTOR, b"\0")


def _protective(size: int) -> bytes:
    sectors = min(size // SECTOR - 1, 0xFFFFFFFF)
    record = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, sectors)
    return (bytes(446) + record).ljust(510, b"\0") + b"\x55\xaa"


def disk_size(partitions: list[Partition]) -> int:
    """Bytes of the smallest disk that holds these partitions and both tables."""
    end = max(part.offset + part.size for part in partitions)
    return end + ALIGN


def write(disk: BinaryIO, identity: str, partitions: list[Partition]) -> None:
    """Writes both tables; the partitions' contents are left alone."""
    size = disk_size(partitions)
    table = b"".join(map(_entry, partitions)).ljust(_ENTRIES * _ENTRY, b"\0")
    disk.truncate(size)
    disk.seek(0)
    disk.write(_protective(size) + _header(identity, size, table, True) + table)
    disk.seek(size - (_TABLE + 1) * SECTOR)
    disk.write(table + _header(identity, size, table, False))
