"""apt in a root of its own, against a small Debian archive on loopback that is really signed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meso_host.errors import HostError
from meso_host.lock.aptroot import AptRoot
from meso_host.lock.mirrors import Source
from meso_host.lock.packages import PackageSet
from meso_services.runtime.process import run

pytestmark = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("gpg")), reason="needs apt and gpg"
)
STANZA = """\
Package: {name}
Version: {version}
Architecture: {arch}
Maintainer: Nobody <nobody@example.org>
Filename: {file}
Size: {size}
SHA256: {sha256}
Description: for a test
{more}
"""


@dataclass
class Archive:
    """What the mirror offers under debian/, signed with a key made for the test."""

    mirror: Any
    home: Path

    @property
    def keyring(self) -> Path:
        return self.home / "key.gpg"

    def gpg(self, *words: str) -> None:
        run(["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes", *words])

    def publish(self, *packages: tuple[str, str, str], sign: bool = True) -> None:
        """Offer exactly these, for both architectures: (name, version, more fields)."""
        sums = ""
        for arch in ("amd64", "arm64"):
            listed = "\n".join(_stanza(arch, *package) for package in packages).encode()
            self.mirror.put(f"debian/dists/trixie/main/binary-{arch}/Packages", listed)
            digest = hashlib.sha256(listed).hexdigest()
            sums += f" {digest} {len(listed)} main/binary-{arch}/Packages\n"
        release = (
            "Origin: Debian\nSuite: stable\nCodename: trixie\nArchitectures: amd64 arm64\n"
            f"Components: main\nDate: Sat, 21 Nov 2026 00:00:00 UTC\nSHA256:\n{sums}"
        )
        plain = self.home / "Release"
        plain.write_text(release)
        self.gpg("--clearsign", "--output", str(self.home / "InRelease"), str(plain))
        signed = (self.home / "InRelease").read_text()
        changed = signed if sign else signed.replace("Origin: Debian", "Origin: Elsewhere")
        self.mirror.put("debian/dists/trixie/InRelease", changed.encode())


def _stanza(arch: str, name: str, version: str, more: str) -> str:
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    file = f"pool/{name}_{version}{'' if arch == 'amd64' else f'_{arch}'}.deb"
    known = {"name": name, "version": version, "arch": arch, "more": more}
    return STANZA.format(**known, file=file, size=len(name), sha256=digest)


@pytest.fixture
def archive(mirror: Any) -> Iterator[Archive]:
    """An archive with a key of its own; gpg wants a short path for its agent's socket."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        made = Archive(mirror, Path(home))
        made.gpg("--passphrase", "", "--quick-gen-key", "Test <t@example.org>", "ed25519", "sign")
        made.gpg("--output", str(made.keyring), "--export")
        yield made
        run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@pytest.fixture
def root(archive: Archive, tmp_path: Path) -> AptRoot:
    """A private root that trusts the archive's key."""
    source = Source("debian", f"{archive.mirror.url}/debian", "trixie")
    return AptRoot(tmp_path / "apt", "amd64", [source], keyring=archive.keyring)


def solved(root: AptRoot, *packages: str) -> list[tuple[str, str]]:
    wanted = PackageSet("root", "amd64", (), packages)
    return [(deb.name, deb.version) for deb in root.solve(wanted)]


def test_the_solver_brings_what_a_package_needs_but_not_the_stubs(
    archive: Archive, root: AptRoot
) -> None:
    """Path, sum and size are the archive's; a stub counts as installed."""
    archive.publish(("tool", "1:2~rc1", "Depends: helper, perl"), ("helper", "3", ""))
    root.prepare(stub=["perl"])
    root.update()
    assert solved(root, "tool") == [("helper", "3"), ("tool", "1:2~rc1")]
    [_, tool] = root.solve(PackageSet("root", "amd64", (), ("tool",)))
    assert (tool.repo, tool.filename, tool.size) == ("debian", "pool/tool_1:2~rc1.deb", 4)
    assert tool.sha256 == hashlib.sha256(b"tool 1:2~rc1").hexdigest()
    assert root.release_time() == 1795219200


def test_a_version_is_kept_while_the_mirror_has_it(archive: Archive, root: AptRoot) -> None:
    """Without --update nothing moves; a version that vanished gives way to its successor."""
    archive.publish(("tool", "1", ""), ("tool", "2", ""))
    root.prepare(pins={"tool": "1"})
    root.update()
    assert solved(root, "tool") == [("tool", "1")]
    root.prepare(pins={"tool": "0.9"})
    assert solved(root, "tool") == [("tool", "2")]


def test_a_kept_version_is_kept_on_every_architecture(archive: Archive, tmp_path: Path) -> None:
    """Of a library for several architectures at once, only equal versions fit together."""
    same = "Multi-Arch: same"
    archive.publish(("lib", "1", same), ("lib", "2", same))
    source = Source("debian", f"{archive.mirror.url}/debian", "trixie")
    root = AptRoot(tmp_path / "apt", "amd64", [source], ("arm64",), keyring=archive.keyring)
    root.prepare(pins={"lib": "1"})
    root.update()
    found = root.solve(PackageSet("cross", "amd64", ("arm64",), ("lib", "lib:arm64")))
    assert [(deb.arch, deb.version) for deb in found] == [("amd64", "1"), ("arm64", "1")]


def test_a_set_that_cannot_be_satisfied_says_which(archive: Archive, root: AptRoot) -> None:
    """apt's own words, and the file to correct."""
    archive.publish(("tool", "1", "Depends: missing"))
    root.prepare()
    root.update()
    with pytest.raises(HostError, match="the set root") as caught:
        solved(root, "tool")
    assert caught.value.code == "lock.unsolvable"
    assert "packages.toml" in caught.value.remedy


def test_a_list_that_was_changed_on_the_way_is_refused(archive: Archive, root: AptRoot) -> None:
    """The signature is of another text: nothing of it is used."""
    archive.publish(("tool", "1", ""), sign=False)
    root.prepare()
    with pytest.raises(HostError) as caught:
        root.update()
    assert caught.value.code == "mirror.unusable"
