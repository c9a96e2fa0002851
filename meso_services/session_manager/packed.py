"""Files that are carried elsewhere: compressed JSON lines, the last a hash over all before it."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from meso_services.runtime.errors import MesoError, storage_error
from meso_services.session_manager import entries

MOST_LINE = 16 << 20
MOST_UNPACKED = 16 << 30


def write(target: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Write a whole file or none. Raises `storage.*` and what `lines` raises."""
    digest = hashlib.sha256()
    try:
        with target.open("xb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as out:
            for line in lines:
                written = entries.encode(line)
                digest.update(written)
                out.write(written)
            out.write(entries.encode({"part": "end", "sha256": digest.hexdigest()}))
    except OSError as problem:
        target.unlink(missing_ok=True)
        raise storage_error(problem, target) from problem
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def read(source: Path, refuse: Callable[[str, str], MesoError]) -> Iterator[dict[str, Any]]:
    """The lines before the last one, whose hash over them is checked. Raises at the first doubt
    what `refuse` makes of the file's name and a reason.
    """
    digest, total, ended = hashlib.sha256(), 0, False
    try:
        with gzip.open(source, "rb") as opened:
            while raw := opened.readline(MOST_LINE + 1):
                total += len(raw)
                if ended or len(raw) > MOST_LINE or total > MOST_UNPACKED:
                    raise refuse(source.name, "it is larger than such a file can be")
                line = entries.parse_record(raw)
                if line is None:
                    raise refuse(source.name, "a line is no JSON object")
                if line.get("part") == "end":
                    if line.get("sha256") != digest.hexdigest():
                        raise refuse(source.name, "the hash over it does not match")
                    ended = True
                    continue
                digest.update(raw)
                yield line
    except (OSError, EOFError, zlib.error) as problem:
        raise refuse(source.name, f"it cannot be read: {problem}") from problem
    if not ended:
        raise refuse(source.name, "it is cut off")
