"""Debian packages: an ar archive of control.tar and data.tar, in several compressions."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

from lib import xz
from lib.step import fail

_MAGIC = b"!<arch>\n"


def members(path: Path) -> dict[str, memoryview]:
    """The ar members by name."""
    view = memoryview(path.read_bytes())
    if bytes(view[:8]) != _MAGIC:
        fail(f"{path.name} is no Debian package: remove it from the store and fetch it again")
    found, at = {}, len(_MAGIC)
    while at < len(view):
        name = bytes(view[at : at + 16]).decode().strip().rstrip("/")
        size = int(bytes(view[at + 48 : at + 58]))
        found[name] = view[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


def _expand(name: str, data: memoryview, threads: int) -> bytes:
    kind = name.rpartition(".")[2]
    if kind == "xz":
        return xz.decompress(data, threads)
    if kind == "gz":
        return gzip.decompress(data)
    if kind != "tar":
        fail(f"package member {name}: compression {kind} is not supported")
    return bytes(data)


def data(path: Path, threads: int = 1) -> bytes:
    """The uncompressed data.tar of a package; `threads` help where its xz has several blocks."""
    parts = {name: body for name, body in members(path).items() if name.startswith("data.tar")}
    if len(parts) != 1:
        fail(f"{path.name} has {len(parts)} data.tar instead of one")
    name, body = parts.popitem()
    try:
        return _expand(name, body, threads)
    except (lzma.LZMAError, EOFError, OSError) as error:
        fail(f"{path.name} is damaged ({error}): fetch it again")
