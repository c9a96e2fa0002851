"""Read a Debian package file: an ar archive of a control and a data tar."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config", "triggers")


@dataclass(frozen=True)
class Member:
    """One member of the archive: its name (such as data.tar.xz) and its bytes."""

    name: str
    data: bytes


def member(path: Path, prefix: str) -> Member:
    """The first member whose name starts with `prefix`. Raises HostError deb.broken."""
    blob = path.read_bytes()
    position = 8
    while blob.startswith(b"!<arch>\n") and position + 60 <= len(blob):
        name = blob[position : position + 16].decode("ascii", "replace").strip().rstrip("/")
        size = int(blob[position + 48 : position + 58])
        start = position + 60
        if name.startswith(prefix):
            return Member(name, blob[start : start + size])
        position = start + size + size % 2
    raise HostError(
        "deb.broken",
        f"{path} is not a whole Debian package: it has no {prefix}.",
        remedy="Remove the file and try again.",
    )


def tar(found: Member) -> tarfile.TarFile:
    """The member's tar, decompressed."""
    if found.name.endswith(".xz"):
        raw = lzma.decompress(found.data)
    elif found.name.endswith(".gz"):
        raw = gzip.decompress(found.data)
    elif found.name.endswith(".tar"):
        raw = found.data
    else:
        raise HostError(
            "deb.compression",
            f"{found.name} is compressed in a way that is not supported.",
            remedy="Choose another version of the package.",
        )
    return tarfile.open(fileobj=io.BytesIO(raw))


def scripts(path: Path) -> dict[str, bytes]:
    """The package's maintainer scripts and triggers by name."""
    with tar(member(path, "control.tar")) as archive:
        return {
            name: stream.read()
            for info in archive
            if (name := info.name.removeprefix("./")) in SCRIPTS
            and (stream := archive.extractfile(info)) is not None
        }
