"""Files of one JSON object a line: read from the end, appended to, cut back to what counts.

A line that an iteration wrote carries `commit`: it counts once `session.yaml` has that iteration.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meso_services.files.strict_yaml import DocumentError

_MAX_LINE = 16 * 1024 * 1024
_BLOCK = 1 << 16
Line = dict[str, Any]


def read(directory: Path, name: str, iteration: int, *, start: int = 0) -> Iterator[Line]:
    """The lines that count, oldest first, from the byte `start` on. Raises DocumentError."""
    number = 0
    with os.fdopen(_open(directory, name), "rb") as file:
        file.seek(start)
        for line in iter(lambda: file.readline(_MAX_LINE), b""):
            number += 1
            if not line.endswith(b"\n"):
                return
            value = _object(line, f"line {number}", name)
            if counts(value, iteration):
                yield value


def newest(directory: Path, name: str, iteration: int) -> Iterator[Line]:
    """The lines that count, newest first, without reading more than is asked for."""
    with os.fdopen(_open(directory, name), "rb") as file:
        for raw in _backwards(file.fileno()):
            value = _object(raw, "a line near the end", name)
            if counts(value, iteration):
                yield value


def counts(line: Line, iteration: int) -> bool:
    """Whether the iteration that wrote the line was completed."""
    commit = line.get("commit", 0)
    return isinstance(commit, int) and commit <= iteration


def encode(values: Sequence[Line]) -> bytes:
    """Lines as they are written."""
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()


def trim(directory: Path, name: str, iteration: int) -> int:
    """Cut off what no completed iteration wrote, and a torn line; how many lines that were."""
    path = directory / name
    with os.fdopen(_open(directory, name), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        keep, cut = _whole(file.fileno(), size), 0
        for raw in _backwards(file.fileno()):
            if counts(_object(raw, "a line near the end", name), iteration):
                break
            keep, cut = keep - len(raw) - 1, cut + 1
    if keep != size:
        os.truncate(path, keep)
    return cut + (keep != size and not cut)


def _whole(descriptor: int, size: int) -> int:
    """The length without a last line that was torn."""
    end = size
    while end:
        begin = max(0, end - _BLOCK)
        at = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0


def _backwards(descriptor: int) -> Iterator[bytes]:
    """Whole lines without their ends, last first."""
    end = _whole(descriptor, os.fstat(descriptor).st_size)
    rest = b""
    first = True
    while end:
        begin = max(0, end - _BLOCK)
        parts = (os.pread(descriptor, end - begin, begin) + rest).split(b"\n")
        end, rest = begin, parts[0]
        found = parts[1:]
        if first:
            # After the last line feed there is nothing.
            found, first = found[:-1], False
        yield from reversed(found)
    if not first:
        yield rest


def _object(line: bytes, key: str, name: str) -> Line:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DocumentError(name, key, f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise DocumentError(name, key, "is not a JSON object")
    return value


def _open(directory: Path, name: str) -> int:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(directory / name, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is not a regular file")
    except OSError as error:
        raise DocumentError(name, "", error.strerror or str(error)) from None
    return descriptor
