"""mkosi as the peer of the image bench: the same Debian packages and Python tree, its own ways.

It runs the packages' maintainer scripts, so it also installs what they call (dpkg, perl, debconf);
otherwise both images hold the same packages, an erofs root with dm-verity, and a UKI. What mkosi
would download, and the tools tree that it works with, are there before the clock starts.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from meso_host.bench.areas import Note
from meso_host.lock import mirrors
from meso_host.lock.model import Deb, DebLock, load
from meso_host.setup import tree
from meso_services.runtime.process import CommandError, run

REPOSITORY = "https://github.com/systemd/mkosi"
_CLONE_SECONDS = 120.0
_SECONDS = 3600.0
_CONFIG = """\
[Distribution]
Distribution=debian
Release=trixie
Repositories=main

[Output]
Format=disk
ImageId=meso
ImageVersion=1
OutputDirectory={top}/out
RepartDirectories={top}/repart

[Content]
Bootable=yes
Bootloader=systemd-boot
ExtraTrees={top}/extra
{layers}
Packages={packages}

[Build]
{tools}
SandboxTrees={top}/sandbox
CacheDirectory={top}/cache
PackageCacheDirectory={top}/packages
WorkspaceDirectory={top}/work
BuildSources=
Incremental=yes
"""
_MAKE_TOOLS = """\
ToolsTree=yes
ToolsTreeDistribution=debian
ToolsTreeRelease=trixie
ToolsTreeProfiles=package-manager
ToolsTreeSandboxTrees={top}/sandbox"""
# Slots of a fixed size, as ours: with Minimize= systemd-repart would write the root twice. The
# root's is larger than ours, because mkosi leaves erofs uncompressed unless told otherwise.
_PARTITIONS = {
    "00-esp": "Type=esp\nFormat=vfat\nCopyFiles=/efi:/\nCopyFiles=/boot:/\nSizeMinBytes=256M\n",
    "10-root": "Type=root\nFormat=erofs\nCopyFiles=/\nVerity=data\nVerityMatchKey=root\n"
    "SizeMinBytes=1G\nSizeMaxBytes=1G\n",
    "11-verity": "Type=root-verity\nVerity=hash\nVerityMatchKey=root\n"
    "SizeMinBytes=16M\nSizeMaxBytes=16M\n",
}
_SOURCE = """\
Types: deb
URIs: {uri}
Suites: {suite}
Components: main
Signed-By: {keyring}

"""


@dataclass(frozen=True)
class Mkosi:
    """How it is called, and its name with its version."""

    argv: tuple[str, ...]
    path: str | None
    label: str


def find(note: Note) -> Mkosi | None:
    """mkosi from MESO_MKOSI (a directory with its sources), else from PATH, else its own
    repository, which is brought to .meso/peers once; None where it cannot be had.
    """
    sources = os.environ.get("MESO_MKOSI")
    if sources:
        argv: tuple[str, ...] = (sys.executable, "-m", "mkosi")
    elif program := shutil.which("mkosi"):
        argv = (program,)
    elif brought := _brought(note):
        sources, argv = str(brought), (sys.executable, "-m", "mkosi")
    else:
        return None
    said = run([*argv, "--version"], env={"PYTHONPATH": sources}).stdout.strip()
    return Mkosi(argv, sources, said if said.startswith("mkosi") else f"mkosi {said}")


def _brought(note: Note) -> Path | None:
    """The peer's sources in .meso/peers/mkosi. It is no dependency of ours: only a bench uses it.

    The Python index does not have it, and Debian 13's is two releases older.
    """
    place = tree.STATE / "peers/mkosi"
    if (place / "mkosi/__main__.py").is_file():
        return place
    note("bringing mkosi")
    part = place.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY, part], timeout=_CLONE_SECONDS)
    except CommandError:
        return None
    part.replace(place)
    return place


def package_set(lock_dir: Path) -> list[Deb]:
    """The root's packages, but for the kernel that the meta-package brings by itself."""
    debs = load(lock_dir, "root-amd64", DebLock).debs
    return [deb for deb in debs if not deb.name.startswith("linux-image-6")]


@dataclass(frozen=True)
class Peer:
    """mkosi's directory, ready: its packages are downloaded, its tools tree is made."""

    top: Path
    mkosi: Mkosi

    @classmethod
    def prepare(
        cls, top: Path, found: Mkosi, packages: Iterable[str], layers: Iterable[Path], note: Note
    ) -> Peer:
        """Write the configuration and build once. `layers` are tars that join the root."""
        peer = cls(top, found)
        for part in ("out", "cache", "packages", "work", "extra/etc", "repart"):
            (top / part).mkdir(parents=True)
        for name, text in _PARTITIONS.items():
            (top / "repart" / f"{name}.conf").write_text(f"[Partition]\n{text}")
        apt = top / "sandbox/etc/apt/sources.list.d"
        apt.mkdir(parents=True)
        sources = mirrors.find("trixie")
        (apt / "mkosi.sources").write_text(
            "".join(
                _SOURCE.format(uri=s.uri, suite=s.suite, keyring=mirrors.KEYRING) for s in sources
            )
        )
        text = "\n        ".join(["", *packages])
        trees = "\n".join(f"ExtraTrees={layer}" for layer in layers)
        known = {"top": top, "packages": text, "layers": trees}
        config = top / "mkosi.conf"
        config.write_text(_CONFIG.format(tools=_MAKE_TOOLS.format(top=top), **known))
        note("mkosi: downloads and tools tree, not counted")
        peer._build()
        config.write_text(_CONFIG.format(tools=f"ToolsTree={top}/mkosi.tools", **known))
        return peer

    def cold(self, note: Note) -> float:
        """Seconds of a build without its incremental cache."""
        note("mkosi: cold")
        for part in ("out", "cache"):
            shutil.rmtree(self.top / part)
            (self.top / part).mkdir()
        return self._build()

    def changed(self, note: Note) -> float:
        """Seconds of a build with its incremental cache, one file of the root changed."""
        note("mkosi: one file changed")
        (self.top / "extra/etc/bench").write_text(f"{time.time_ns()}\n")
        return self._build()

    def _build(self) -> float:
        began = time.monotonic()
        argv = [*self.mkosi.argv, "--force", "build"]
        env = {"PYTHONPATH": self.mkosi.path}
        done = run(argv, cwd=self.top, env=env, timeout=_SECONDS, check=False)
        if done.status:
            raise CommandError(argv, done.status, done.stderr)
        return time.monotonic() - began
