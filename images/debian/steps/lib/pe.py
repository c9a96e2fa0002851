"""Append sections to systemd's EFI stub: that is what a unified kernel image is."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SECTION = 40
_DATA = 0x40000040  # initialised data, readable
_CODE = 0x60000020  # code, readable, executable


@dataclass(frozen=True)
class Section:
    """A section to append, by name (at most eight bytes)."""

    name: str
    data: bytes


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _header(section: Section, address: int, raw: int, at: int) -> bytes:
    flags = _CODE if section.name == ".linux" else _DATA
    name = section.name.encode().ljust(8, b"\0")
    place = struct.pack("<IIII", len(section.data), address, raw, at)
    return name + place + struct.pack("<IIHHI", 0, 0, 0, 0, flags)


def append(stub: bytes, sections: list[Section]) -> bytes:
    """The stub with these sections after its own, in order.

    Raises ValueError if the stub's header has no room for so many.
    """
    image = bytearray(stub)
    (pe,) = struct.unpack_from("<I", image, 0x3C)
    count, optional_size = struct.unpack_from("<H", image, pe + 6)[0], _u16(image, pe + 20)
    optional = pe + 24
    table = optional + optional_size
    section_step, file_step = struct.unpack_from("<II", image, optional + 32)
    (headers,) = struct.unpack_from("<I", image, optional + 60)
    if table + (count + len(sections)) * _SECTION > headers:
        raise ValueError("the EFI stub has no room for more section headers")
    last = table + (count - 1) * _SECTION
    size, address, raw, at = struct.unpack_from("<IIII", image, last + 8)
    address = _up(address + size, section_step)
    image += bytes(_up(max(len(image), at + raw), file_step) - len(image))
    added = 0
    for section in sections:
        raw = _up(len(section.data), file_step)
        entry = table + count * _SECTION
        image[entry : entry + _SECTION] = _header(section, address, raw, len(image))
        image += section.data + bytes(raw - len(section.data))
        address = _up(address + len(section.data), section_step)
        count, added = count + 1, added + raw
    struct.pack_into("<H", image, pe + 6, count)
    struct.pack_into("<I", image, optional + 8, _u32(image, optional + 8) + added)
    struct.pack_into("<I", image, optional + 56, address)
    struct.pack_into("<I", image, optional + 64, 0)
    return bytes(image)


def _u16(image: bytearray, at: int) -> int:
    return int(struct.unpack_from("<H", image, at)[0])


def _u32(image: bytearray, at: int) -> int:
    return int(struct.unpack_from("<I", image, at)[0])
