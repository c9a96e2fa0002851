"""What a built image says it is made of: packages.json and the notices that lie beside it.

Both were written by the build itself, from the very files that it unpacked.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meso_host.errors import HostError

_METADATA = ".dist-info/METADATA"


class Part(BaseModel):
    """One package. `arch` and `repo` are a Debian package's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["deb", "python"]
    name: str
    version: str
    filename: str
    sha256: str
    arch: str | None = None
    repo: str | None = None


class Packages(BaseModel):
    """packages.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = Field(alias="schema")
    arch: str
    packages: tuple[Part, ...]


@dataclass(frozen=True)
class Image:
    """A built image: image.json, its packages, Debian copyright files and Python metadata.

    `copyrights` is by package name, `metadata` by the dist-info directory's name.
    """

    facts: dict[str, Any]
    packages: tuple[Part, ...]
    copyrights: dict[str, str]
    metadata: dict[str, str]


def read(directory: Path) -> Image:
    """Read an image's directory. Raises HostError sbom.no-image."""
    try:
        facts = json.loads((directory / "image.json").read_bytes())
        packages = Packages.model_validate_json((directory / "packages.json").read_bytes())
        notices = _notices(directory / "copyrights.tar.gz")
    except (OSError, ValueError, ValidationError, tarfile.TarError) as error:
        raise HostError(
            "sbom.no-image",
            f"{directory} is not a whole image: {error}",
            remedy="Build it anew with ./meso build.",
        ) from error
    return Image(
        facts,
        packages.packages,
        {p.split("/")[3]: text for p, text in notices.items() if p.endswith("/copyright")},
        {p.split("/")[-2]: text for p, text in notices.items() if p.endswith(_METADATA)},
    )


def _notices(path: Path) -> dict[str, str]:
    """Texts by path. A package whose documentation is a link to another's has that one's."""
    texts: dict[str, str] = {}
    links: dict[str, str] = {}
    with tarfile.open(path, "r:gz") as archive:
        for info in archive:
            name = info.name.removeprefix("./").rstrip("/")
            stream = archive.extractfile(info) if info.isreg() else None
            if stream is not None:
                texts[name] = stream.read().decode(errors="replace")
            elif info.issym():
                links[name] = info.linkname.rpartition("/")[2]
    for name, target in links.items():
        base, _, _ = name.rpartition("/")
        shared = texts.get(f"{base}/{target}/copyright")
        if shared is not None:
            texts[f"{name}/copyright"] = shared
    return texts
