"""The initial RAM disk's archive format (newc)."""

from __future__ import annotations

import stat
from collections.abc import Iterable

from lib.step import EPOCH
from lib.tar import Entry

_TYPES = {"dir": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK}


def _member(number: int, name: str, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    path = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, EPOCH, len(data), 0, 0, *device, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    body = head + bytes(-len(head) % 4) + data
    return body + bytes(-len(body) % 4)


def archive(entries: Iterable[Entry], devices: dict[str, tuple[int, int]]) -> bytes:
    """All entries sorted by path, owned by root; `devices` are character devices (major, minor)."""
    parts: list[bytes] = []
    for entry in sorted(entries, key=lambda one: one.path):
        data = entry.target.encode() if entry.kind == "link" else bytes(entry.data)
        mode = _TYPES[entry.kind] | entry.mode
        parts.append(_member(len(parts) + 1, entry.path, mode, data, (0, 0)))
    for path, device in sorted(devices.items()):
        parts.append(_member(len(parts) + 1, path, stat.S_IFCHR | 0o600, b"", device))
    parts.append(_member(0, "TRAILER!!!", 0, b"", (0, 0)))
    return b"".join(parts)
