"""Bring one kind of file: Debian packages by apt's transports or HTTP, Python files by pip or HTTP.

Every file's size and SHA-256 are in the lock, so who delivers it does not matter. A file has its
final name only when it is whole.
"""

from __future__ import annotations

import errno
import hashlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

from meso_host.errors import HostError
from meso_host.nix import disk_full
from meso_services.runtime.process import run

APT_HELPER = Path("/usr/lib/apt/apt-helper")
_CHUNK = 1 << 18
_BATCH = 12 << 20
_TRIES = 3
# What apt says of a server that gave an answer, only not the wanted one.
_ANSWERED = re.compile(
    r" (?:403|404|410) |Hash Sum|unexpected size|Writing more data|File not found"
)


@dataclass(frozen=True)
class Wanted:
    """A file to bring: name in the cache, path below a base address, size in bytes, SHA-256."""

    name: str
    path: str
    size: int
    sha256: str


Arrived = Callable[[Wanted], None]


def whole(path: Path, wanted: Wanted) -> bool:
    """Whether the file is there and is what the lock says."""
    if not path.is_file() or path.stat().st_size != wanted.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == wanted.sha256


def by_apt(base: str, files: Sequence[Wanted], into: Path, arrived: Arrived) -> None:
    """Bring files with apt's own transports, proxies and credentials; no package list is needed.

    apt resumes, retries and checks the hash. Raises HostError mirror.unreachable or disk.full; a
    file that the server lacks, or has in another version, is left out.
    """
    for batch in _batches(files):
        words: list[str] = []
        for item in batch:
            part = into / f"{item.name}.part"
            words += [f"{base}/{_quoted(item)}", str(part), f"SHA256:{item.sha256}"]
        done = run([APT_HELPER, "-o", "Acquire::Retries=2", "download-file", *words], check=False)
        if "No space left" in done.stderr:
            raise disk_full(into)
        for item in batch:
            part = into / f"{item.name}.part"
            if whole(part, item):
                part.replace(into / item.name)
                arrived(item)
        _raise_for_network(base, done.stderr)


def by_http(base: str, files: Sequence[Wanted], into: Path, arrived: Arrived) -> None:
    """Bring files from `base` over HTTP, continuing what an earlier try left.

    Raises HostError mirror.unreachable or disk.full; a file that the server lacks is left out.
    """
    for item in files:
        part = into / f"{item.name}.part"
        if _try_http(f"{base}/{_quoted(item)}", part, item):
            part.replace(into / item.name)
            arrived(item)


def _try_http(url: str, part: Path, item: Wanted) -> bool:
    """True when the file is whole, False when the server does not have it."""
    for attempt in range(_TRIES):
        time.sleep(0.3 * attempt)
        try:
            _continue(url, part, item)
        except urllib.error.HTTPError as error:
            if error.code in (403, 404, 410):
                return False
            problem: Exception | None = error
        except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
            problem = error
        else:
            problem = None
        if whole(part, item):
            return True
        if problem and attempt == _TRIES - 1:
            raise _unreachable(url, problem) from problem
    return False


def _raise_for_network(base: str, said: str) -> None:
    """Tell a mirror that does not answer from one that answers without the file."""
    lines = [line for line in said.splitlines() if line.startswith("E: Failed to fetch")]
    network = [x for x in lines if not _ANSWERED.search(x)]
    if network:
        raise _unreachable(base, network[0].removeprefix("E: "))


def _continue(url: str, part: Path, item: Wanted) -> None:
    """One request for what is still missing of `part`; it may end early."""
    have = part.stat().st_size if part.exists() else 0
    if have >= item.size:
        if whole(part, item):
            return
        part.unlink()
        have = 0
    if not url.startswith(("http://", "https://")):
        raise HostError(
            "mirror.scheme",
            f"{url.split('://', 1)[0]}: is not an address that files can be fetched from here.",
            remedy="Set MESO_MIRROR and MESO_PYPI to http:// or https:// addresses.",
        )
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 (scheme checked above)
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        _write(reply, part, item, mode="ab" if reply.status == 206 else "wb")


def _write(reply: IO[bytes], part: Path, item: Wanted, *, mode: Literal["ab", "wb"]) -> None:
    try:
        with part.open(mode) as out:
            while block := reply.read(_CHUNK):
                out.write(block)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(part.parent, item.size) from error
        raise


def _quoted(item: Wanted) -> str:
    return quote(item.path, safe="/+~:=")


def _unreachable(url: str, error: Exception | str) -> HostError:
    return HostError(
        "mirror.unreachable",
        f"{url} cannot be fetched: {error}",
        remedy="Check the network and the mirror's address, then run the same command again; "
        "it continues where it stopped.",
    )


def _batches(files: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Some files at a time, so that progress can be told and argument lists stay short."""
    batch: list[Wanted] = []
    for item in files:
        batch.append(item)
        if sum(i.size for i in batch) >= _BATCH or len(batch) >= 40:
            yield batch
            batch = []
    if batch:
        yield batch
