"""Writes that are whole or absent, also after a power cut: nothing returns before the disk has it.

All of them raise OSError and then leave nothing half-written behind; `storage_error` in
`errors.py` says it to a caller.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

TEMPORARY_PREFIX = ".new-"


def flush_directory(path: Path) -> None:
    """Make names that were created in, renamed in or removed from `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directories(path: Path, *, below: Path | None = None, mode: int = 0o750) -> None:
    """Create `path` and its missing parents (those inside `below`, which exists), durably."""
    if path == below or path.is_dir():
        return
    make_directories(path.parent, below=below, mode=mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    flush_directory(path.parent)


def write(path: Path, data: bytes, *, mode: int = 0o640, replace: bool = True) -> None:
    """Write `data` to `path`: afterwards the old or the new content is there, never a mix.

    With `replace=False` an existing file is left alone and FileExistsError is raised, also if
    it appeared in the meantime. The parent directory must exist.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        _fill(temporary, data, mode)
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_directory(path.parent)


def append(path: Path, data: bytes) -> int:
    """Append `data` to an existing file and return the offset at which it starts.

    On failure the file is cut back to its old length. The caller makes sure that it is the
    only writer.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        start = os.fstat(handle).st_size
        try:
            _write_all(handle, data)
            os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, start)
            raise
        return start
    finally:
        os.close(handle)


def truncate(path: Path, length: int) -> None:
    """Cut a file to `length` bytes."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(handle, length)
        os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Rename a file; both directories remember it."""
    source.rename(target)
    flush_directory(target.parent)
    if source.parent != target.parent:
        flush_directory(source.parent)


def remove(path: Path) -> None:
    """Remove a file; one that is not there is fine."""
    path.unlink(missing_ok=True)
    flush_directory(path.parent)


def _fill(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, mode)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    # os.write may stop early.
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
