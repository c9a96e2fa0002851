"""Tar layers: read packages' archives fast, write deterministic ones that can be concatenated.

A layer has no end-of-archive marker, so layers are joined by plain concatenation; a later entry
replaces an earlier one of the same path. Paths are relative, without `./`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from lib.step import EPOCH

BLOCK = 512
END = bytes(2 * BLOCK)
_MERGED = ("bin/", "sbin/", "lib/", "lib64/")
_KINDS = {b"0": "file", b"\0": "file", b"1": "hard", b"2": "link", b"5": "dir"}
_FLAGS = {"file": b"0", "hard": b"1", "link": b"2", "dir": b"5"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One archive member. `kind` is file, dir, link (symbolic) or hard (target is a path)."""

    path: str
    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    data: bytes | memoryview = b""


def normal(name: str) -> str:
    """A member's path below /, with /bin, /sbin, /lib and /lib64 merged into /usr."""
    path = name.removeprefix(".").strip("/")
    return f"usr/{path}" if path.startswith(_MERGED) else path


def file(path: str, data: bytes | str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    """A regular file."""
    content = data.encode() if isinstance(data, str) else data
    return Entry(path, "file", mode, uid, gid, data=content)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, "link", 0o777, target=target)


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """A directory."""
    return Entry(path, "dir", mode, uid, gid)


def _octal(field: memoryview) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes(field), "big") & ~(1 << (8 * len(field) - 1))
    return int(bytes(field).strip(b"\0 ") or b"0", 8)


def _text(field: memoryview) -> str:
    return bytes(field).split(b"\0", 1)[0].decode()


def read(archive: bytes | memoryview) -> Iterator[Entry]:
    """The members of an uncompressed tar, in order; contents are views, not copies."""
    view, at = memoryview(archive), 0
    name = target = ""
    while at + BLOCK <= len(view) and view[at]:
        head = view[at : at + BLOCK]
        size, flag = _octal(head[124:136]), bytes(head[156:157])
        body = view[at + BLOCK : at + BLOCK + size]
        at += BLOCK + -(-size // BLOCK) * BLOCK
        if flag == b"L":
            name = _text(body)
        elif flag == b"K":
            target = _text(body)
        else:
            yield _entry(head, flag, body, name, target)
            name = target = ""


def _entry(head: memoryview, flag: bytes, body: memoryview, name: str, target: str) -> Entry:
    if flag not in _KINDS:
        raise ValueError(f"tar member of unknown type {flag!r}: {name or _text(head[:100])}")
    prefix = _text(head[345:500]) if bytes(head[257:263]) == b"ustar\0" else ""
    path = name or (f"{prefix}/" if prefix else "") + _text(head[:100])
    kind = _KINDS[flag]
    goal = target or _text(head[157:257])
    return Entry(
        normal(path),
        kind,
        _octal(head[100:108]) & 0o7777,
        _octal(head[108:116]),
        _octal(head[116:124]),
        normal(goal) if kind == "hard" else goal,
        body,
    )


def _header(name: bytes, entry: Entry, size: int, flag: bytes, target: bytes) -> bytes:
    head = bytearray(BLOCK)
    head[0 : len(name)] = name
    for at, width, value in (
        (100, 8, entry.mode),
        (108, 8, entry.uid),
        (116, 8, entry.gid),
        (124, 12, size),
        (136, 12, EPOCH),
    ):
        head[at : at + width] = b"%0*o\0" % (width - 1, value)
    head[148:156] = b" " * 8
    head[156:157] = flag
    head[157 : 157 + len(target)] = target
    head[257:265] = b"ustar  \0"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _long(flag: bytes, text: bytes) -> bytes:
    body = text + b"\0"
    plain = Entry("", "file", 0o644)
    return _header(b"././@LongLink", plain, len(body), flag, b"") + body + bytes(-len(body) % BLOCK)


def _write_one(out: BinaryIO, entry: Entry) -> None:
    name = f"./{entry.path}".encode() + (b"/" if entry.kind == "dir" and entry.path else b"")
    goal = f"./{entry.target}" if entry.kind == "hard" else entry.target
    target = goal.encode()
    if len(name) > 100:
        out.write(_long(b"L", name))
    if len(target) > 100:
        out.write(_long(b"K", target))
    data = entry.data if entry.kind == "file" else b""
    out.write(_header(name[:100], entry, len(data), _FLAGS[entry.kind], target[:100]))
    out.write(data)
    out.write(bytes(-len(data) % BLOCK))


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Writes a layer: sorted, hard links last (their targets must stand before them)."""
    order = sorted(entries, key=lambda entry: (entry.kind == "hard", entry.path))
    with path.open("wb", buffering=1 << 20) as out:
        for entry in order:
            _write_one(out, entry)


def load(path: Path) -> dict[str, Entry]:
    """A layer by path."""
    return {entry.path: entry for entry in read(path.read_bytes())}


def with_parents(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The same entries with every missing parent directory added (0755, root)."""
    full = dict(entries)
    for path in entries:
        parent = path.rpartition("/")[0]
        while parent and parent not in full:
            full[parent] = directory(parent)
            parent = parent.rpartition("/")[0]
    return full


def from_disk(top: Path, prefix: str = "") -> Iterator[Entry]:
    """A directory's content as root's: 0755 for directories and executables, else 0644."""
    for here, directories, files in os.walk(top):
        directories.sort()
        for name in sorted(files + [d for d in directories if (Path(here) / d).is_symlink()]):
            source = Path(here) / name
            path = str(Path(prefix) / source.relative_to(top))
            if source.is_symlink():
                yield link(path, str(source.readlink()))
            else:
                runs = source.stat().st_mode & stat.S_IXUSR
                yield file(path, source.read_bytes(), 0o755 if runs else 0o644)
        for name in directories:
            if not (Path(here) / name).is_symlink():
                yield directory(str(Path(prefix) / (Path(here) / name).relative_to(top)))


def moved(entry: Entry, path: str) -> Entry:
    """The same member at another path."""
    return replace(entry, path=path)
