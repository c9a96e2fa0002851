"""A history without certain bytes: every commit stays, without the files that held them.

Git writes the history as a stream without the files' bytes (they are named by their hashes); the
lines that name what is purged are left out; git reads the stream again. Then what nothing refers
to any more is removed from the disk at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from meso_services.memory_manager.repository import Repository
from meso_services.runtime import process
from meso_services.runtime.errors import MesoError

_SECONDS = 3600.0


def versions(repository: Repository, paths: Iterable[str]) -> set[str]:
    """The blobs that ever lay at one of the paths, in all references."""
    named = [f":(literal){path}" for path in paths]
    if repository.head() is None or not named:
        return set()
    raw = repository.run("log", "--all", "--format=", "--raw", "--no-abbrev", "--no-renames", "-m",
                         "--root", "-z", "--", *named, most=1 << 28)  # fmt: skip
    found = set()
    for word in raw.split(b"\0"):
        parts = word.split()
        if word.lstrip(b"\n").startswith(b":") and len(parts) == 5:
            found |= {parts[2].decode(), parts[3].decode()}
    return {digest for digest in found if digest.strip("0")}


def rewrite(repository: Repository, blobs: set[str]) -> int:
    """Take these blobs out of every commit of every reference. Returns how many commits named
    them. Raises MesoError, CommandError, OSError.
    """
    export, filtered = repository.place / "meso-export", repository.place / "meso-import"
    try:
        _stream(repository, ["fast-export", "--all", "--no-data", "--reencode=no",
                             "--signed-tags=strip"], output=export)  # fmt: skip
        with export.open("rb") as read, filtered.open("wb") as write:
            touched = sum(_without(read, write, blobs))
        if touched:
            _stream(repository, ["fast-import", "--quiet", "--force",
                                 "--date-format=raw-permissive"], source=filtered)  # fmt: skip
    finally:
        export.unlink(missing_ok=True)
        filtered.unlink(missing_ok=True)
    clean(repository)
    left = [blob for blob in sorted(blobs) if there(repository, blob)]
    if left:
        raise MesoError(
            "memory.purge_incomplete", f"git still has {len(left)} of the purged versions",
            status=503, hint="`meso memory purge` again; it begins where it stopped",
        )  # fmt: skip
    return touched


def clean(repository: Repository) -> None:
    """Remove from the disk what nothing refers to."""
    shutil.rmtree(repository.place / "logs", ignore_errors=True)
    for name in ("FETCH_HEAD", "ORIG_HEAD"):
        (repository.place / name).unlink(missing_ok=True)
    repository.run("repack", "-a", "-d", "-q", "-n")
    repository.run("prune", "--expire=now")
    for leftover in (repository.place / "objects/pack").glob("tmp_*"):
        leftover.unlink(missing_ok=True)


def there(repository: Repository, blob: str) -> bool:
    """True if the repository holds these bytes."""
    return repository.run("cat-file", "-t", blob, fine=(0, 1, 128)).strip() == b"blob"


def _without(read: IO[bytes], write: IO[bytes], blobs: set[str]) -> Iterator[int]:
    """Copy a stream; 1 for every commit that lost something."""
    named, lost = frozenset(blob.encode() for blob in blobs), 0
    while line := read.readline():
        if line.startswith((b"commit ", b"reset ", b"tag ")):
            yield lost
            lost = 0
        if line.startswith(b"data "):
            write.write(line + read.read(int(line[5:])))
            continue
        parts = line.split(b" ", 3)
        if parts[0] == b"M" and len(parts) == 4 and parts[2] in named:
            # A change becomes a removal: the version before must not stay in its place.
            write.write(b"D " + parts[3])
            lost = 1
            continue
        write.write(line)
    yield lost


def _stream(
    repository: Repository, arguments: list[str], *, source: Path | None = None,
    output: Path | None = None,
) -> None:  # fmt: skip
    argv = repository.command(*arguments)
    given = source.open("rb") if source else None
    out = output.open("wb") if output else None
    try:
        child = process.start(argv, env=repository.environment(), stdin=given, stdout=out)
        try:
            status = child.wait(_SECONDS)
        except BaseException:
            child.kill()
            child.wait()
            raise
    finally:
        for file in (given, out):
            if file is not None:
                file.close()
    if status:
        raise MesoError("memory.git_failed", f"git {arguments[0]} ended with status {status}",
                        status=503, hint="look at the disk's health and free space")  # fmt: skip
