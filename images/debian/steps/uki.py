"""The unified kernel image: kernel, initial RAM disk and a command line with the root hash."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import deb, pe, tar
from lib.step import output, read_spec

_EFI = {"amd64": "x64", "arm64": "aa64"}


@dataclass(frozen=True)
class Spec:
    """`boot` is the package of EFI programs; `parameters` go to the kernel as they are."""

    arch: str
    boot: str
    kernel: str
    initrd: str
    version: str
    parameters: list[str]


@dataclass(frozen=True)
class Alone:
    """`uki` is a `Spec`, `root` the output of the step root."""

    uki: dict[str, Any]
    root: str


def make(spec: Spec, roothash: str, blocks: int, salt: str, out: Path) -> None:
    """Writes meso.efi and systemd-boot.efi into a directory; hash and salt are in hex."""
    programs = {one.path: one.data for one in tar.read(deb.data(Path(spec.boot)))}
    folder, efi = "usr/lib/systemd/boot/efi", _EFI[spec.arch]
    kernel = json.loads((Path(spec.kernel) / "kernel.json").read_text())
    found = [f"roothash={roothash}", f"meso.verity={blocks}:{salt}", "ro"]
    release = {
        "ID": "meso",
        "IMAGE_ID": "meso",
        "NAME": "MESO",
        "PRETTY_NAME": f"MESO {spec.version}",
    }
    release |= {"VERSION_ID": spec.version, "IMAGE_VERSION": spec.version}
    sections = [
        pe.Section(".osrel", "".join(f'{k}="{v}"\n' for k, v in release.items()).encode()),
        pe.Section(".cmdline", " ".join([*found, *spec.parameters]).encode()),
        pe.Section(".uname", kernel["version"].encode()),
        pe.Section(".initrd", (Path(spec.initrd) / "initrd").read_bytes()),
        pe.Section(".linux", (Path(spec.kernel) / "vmlinuz").read_bytes()),
    ]
    stub = bytes(programs[f"{folder}/linux{efi}.efi.stub"])
    (out / "meso.efi").write_bytes(pe.append(stub, sections))
    (out / "systemd-boot.efi").write_bytes(programs[f"{folder}/systemd-boot{efi}.efi"])


def main() -> None:
    """The kernel image alone, for who wants to look at it: the image's step makes its own."""
    alone = read_spec(Alone)
    root = json.loads((Path(alone.root) / "root.json").read_text())
    make(Spec(**alone.uki), root["roothash"], root["blocks"], root["salt"], output())
