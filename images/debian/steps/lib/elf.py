"""The little that the steps need to know of 64-bit little-endian ELF files."""

from __future__ import annotations

import struct

MAGIC = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB = 1, 5


def is_elf(data: bytes | memoryview) -> bool:
    """Whether these bytes are a 64-bit little-endian ELF file."""
    return bytes(data[:6]) == MAGIC


def _headers(data: bytes | memoryview) -> list[tuple[int, int, int, int, int]]:
    """(offset of the header, type, file offset, virtual address, size in file) per segment."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for number in range(count):
        at = start + number * size
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        found.append((at, kind, offset, address, length))
    return found


def needed(data: bytes | memoryview) -> list[str]:
    """The names of the shared libraries that a file wants (DT_NEEDED)."""
    headers = _headers(data)
    dynamic = next((h for h in headers if h[1] == _DYNAMIC), None)
    if dynamic is None:
        return []
    at, names, table = dynamic[2], [], 0
    while (pair := struct.unpack_from("<QQ", data, at)) != (0, 0) and pair[0]:
        if pair[0] == _NEEDED:
            names.append(pair[1])
        elif pair[0] == _STRTAB:
            table = pair[1]
        at += 16
    base = next(o + table - a for _, k, o, a, n in headers if k == _LOAD and a <= table < a + n)
    return [_string(data, base + name) for name in names]


def _string(data: bytes | memoryview, at: int) -> str:
    window = bytes(data[at : at + 512])
    return window[: window.index(b"\0")].decode()


def with_interpreter(data: bytes, interpreter: str) -> bytes:
    """The same program, started by another dynamic loader; unchanged if it has none.

    The kernel reads the loader's path from the file, at the offset in the segment's header, so a
    longer path may stand at the file's end. Nothing in memory moves: this works on programs that
    a tool which rewrites segments would break.
    """
    for at, kind, _, _, _ in _headers(data) if is_elf(data) else []:
        if kind == _INTERP:
            path = interpreter.encode() + b"\0"
            patched = bytearray(data + path)
            struct.pack_into("<Q", patched, at + 8, len(data))
            struct.pack_into("<Q", patched, at + 32, len(path))
            return bytes(patched)
    return data
