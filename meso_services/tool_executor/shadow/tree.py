"""A workspace's files as a snapshot sees them, read without following anybody's links.

An agent may change the workspace at any moment. So directories are opened relative to the one
above and never through a link, and a file is read from the descriptor that was looked at.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

# Git refuses a path with a part `.git`. A part that begins with `%` gets another one; `.git` in
# any case of letters gets one too; a lone `%` marks a directory that is empty.
EMPTY = "%"
MOST_FILES = 500_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file or link. `stamp` changes when its bytes may have."""

    path: bytes
    mode: int
    size: int
    stamp: tuple[int, int, int, int]


def scan(root: int, left_out: list[str]) -> Iterator[Found]:
    """Everything below an open directory, sorted; what no snapshot can hold goes to `left_out`."""
    yield from _scan(root, b"", left_out)


def _scan(directory: int, prefix: bytes, left_out: list[str]) -> Iterator[Found]:
    names = sorted(os.listdir(directory))
    for name in map(os.fsencode, names):
        path = prefix + name
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            with contextlib.suppress(OSError):
                yield from _below(directory, name, path, left_out)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            yield Found(path, _mode(status.st_mode), status.st_size, _stamp(status))
        else:
            left_out.append(path.decode(errors="replace"))


def _below(directory: int, name: bytes, path: bytes, left_out: list[str]) -> Iterator[Found]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    child = os.open(name, flags, dir_fd=directory)
    try:
        empty = True
        for found in _scan(child, path + b"/", left_out):
            empty = False
            yield found
        if empty and next(os.scandir(child), None) is None:
            yield Found(path + b"/", stat.S_IFDIR, 0, (0, 0, 0, 0))
    finally:
        os.close(child)


def _mode(mode: int) -> int:
    if stat.S_ISLNK(mode):
        return 0o120000
    return 0o100755 if mode & stat.S_IXUSR else 0o100644


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@contextlib.contextmanager
def opened(root: int, path: bytes) -> Iterator[int]:
    """The directory that holds `path`, opened part by part. Raises OSError."""
    current = os.dup(root)
    try:
        for part in path.split(b"/")[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            following = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def usable(path: bytes, mode: int) -> bool:
    """False for what no snapshot of ours holds: a way out of the workspace, a submodule."""
    parts = decoded(path).rstrip(b"/").split(b"/")
    return mode in (0o100644, 0o100755, 0o120000) and not {b"", b".", b".."} & set(parts)


def encoded(path: bytes) -> bytes:
    """The path as it stands in git."""
    if path.endswith(b"/"):
        return encoded(path[:-1]) + b"/" + EMPTY.encode()
    return b"/".join(
        b"%" + part if part.startswith(b"%") or part.lower() == b".git" else part
        for part in path.split(b"/")
    )


def decoded(path: bytes) -> bytes:
    """The path as it stands in the workspace; an empty directory ends in a slash."""
    parts = path.split(b"/")
    if parts[-1] == EMPTY.encode():
        return decoded(b"/".join(parts[:-1])) + b"/"
    return b"/".join(part.removeprefix(b"%") for part in parts)
