"""The disk of a virtual machine: what was written, over an image that stays as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError
from meso_services.runtime import process

# Room for state to grow into; it costs nothing until it is used.
DEFAULT_GIB = 16


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: `directory` holds disk.img and image.json."""

    directory: Path
    arch: str
    version: str

    @property
    def disk(self) -> Path:
        """The raw disk."""
        return self.directory / "disk.img"


ARCHES = {"amd64": "x86_64", "arm64": "aarch64"}


def read_image(directory: Path) -> Image:
    """The image in `directory`. Raises HostError when it is none."""
    try:
        facts = json.loads((directory / "image.json").read_text(encoding="utf-8"))
        arch = str(facts["arch"])
        image = Image(directory, ARCHES.get(arch, arch), str(facts["version"]))
    except (OSError, ValueError, KeyError) as error:
        raise HostError(
            "vm.not_an_image",
            f"{directory} holds no image: {error}",
            remedy="`meso build NAME` prints the directory of an image.",
        ) from error
    if image.arch not in ARCHES.values() or not image.disk.is_file():
        raise HostError(
            "vm.not_an_image",
            f"{directory} holds no disk that can run here (arch {image.arch}).",
            remedy="`meso build NAME --check` builds it again and compares.",
        )
    return image


def make_overlay(image: Image, overlay: Path, gib: int = DEFAULT_GIB) -> None:
    """A new overlay over `image`, of `gib` GiB; whole or not at all."""
    half = overlay.with_name(overlay.name + ".new")
    backing = ["-b", str(image.disk.resolve()), "-F", "raw"]
    process.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, half, f"{gib}G"])
    half.replace(overlay)


def copy_raw(image: Image, to: Path, gib: int = DEFAULT_GIB) -> None:
    """A raw copy of the image's disk of `gib` GiB, sparse: holes take no room."""
    process.run(["cp", "--sparse=always", "--reflink=auto", image.disk.resolve(), to])
    to.chmod(0o600)
    process.run(["truncate", f"--size={gib}G", to])
