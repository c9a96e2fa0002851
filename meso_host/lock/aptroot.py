"""apt in a root of its own: apt's solver, signatures and downloads without touching the host.

The root lies in the cache directory, one a set. No package is ever installed in it; apt is told
that the stub packages are there, so that it does not pull them in.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

from meso_host.errors import HostError
from meso_host.lock.mirrors import KEYRING, Source
from meso_host.lock.model import Deb
from meso_host.lock.packages import PackageSet
from meso_services.runtime.process import run

_URI = re.compile(r"^'(\S+)' (\S+)_(\S+)_(\w+)\.deb (\d+) SHA256:([0-9a-f]{64})$", re.MULTILINE)
_STUB = """\
Package: {name}
Status: install ok installed
Maintainer: nobody
Architecture: {arch}
Multi-Arch: foreign
Version: 99:99
Description: not shipped

"""


@dataclass(frozen=True)
class AptRoot:
    """One private root: `path` for its files, `arch` first and then `foreign` architectures."""

    path: Path
    arch: str
    sources: Sequence[Source]
    foreign: tuple[str, ...] = ()
    keyring: Path = KEYRING

    def prepare(self, stub: Iterable[str] = (), pins: Mapping[str, str] | None = None) -> None:
        """Write the configuration. `pins` maps a package to the version to keep if it exists."""
        for part in ("state/lists/partial", "empty/partial", "etc"):
            (self.path / part).mkdir(parents=True, exist_ok=True)
        lines = [source.line(self.keyring) for source in self.sources]
        (self.path / "etc/sources.list").write_text("\n".join(lines) + "\n")
        (self.path / "status").write_text(
            "".join(_STUB.format(name=name, arch=self.arch) for name in sorted(stub))
        )
        (self.path / "etc/preferences").write_text(
            "".join(
                # Without `:any` apt would pin its first architecture only, and a newer version of
                # another one could not be installed beside it.
                f"Package: {name}:any\nPin: version {version}\nPin-Priority: 1001\n\n"
                for name, version in sorted((pins or {}).items())
            )
        )
        (self.path / "apt.conf").write_text(self._config())

    def update(self) -> None:
        """Bring the package lists; apt checks their signatures. Raises HostError."""
        done = run(["apt-get", "-qq", "update"], env=self._env(), check=False)
        # apt-get update exits 0 with warnings when a list could not be had.
        if done.status or not list((self.path / "state/lists").glob("*Packages*")):
            raise HostError(
                "mirror.unusable",
                f"apt could not bring signed package lists:\n{done.stderr.strip()}",
                remedy="Check the network and the mirrors of /etc/apt, or set MESO_MIRROR. "
                "For an unknown key, update the package debian-archive-keyring.",
            )

    def solve(self, wanted: PackageSet) -> list[Deb]:
        """What apt would install for the set, sorted by name. Raises HostError."""
        argv = ["apt-get", "--print-uris", "-qq"]
        asked = ["-y", "--no-install-recommends", "install", *wanted.packages]
        done = run([*argv, *asked], env=self._env(), check=False)
        if done.status:
            raise HostError(
                "lock.unsolvable",
                f"apt cannot satisfy the set {wanted.name}:\n{done.stderr.strip()}",
                remedy="Correct images/debian/packages.toml.",
            )
        debs = [self._deb(match) for match in _URI.finditer(done.stdout)]
        if len(debs) != done.stdout.count("\n"):
            raise HostError(
                "lock.apt-output",
                f"apt's list for {wanted.name} has lines without a SHA-256:\n{done.stdout[:2000]}",
                remedy="Use a mirror whose package lists carry SHA-256 sums.",
            )
        return sorted(debs, key=lambda deb: (deb.name, deb.arch))

    def release_time(self) -> int:
        """The newest date of the signed Release files, in seconds since 1970."""
        newest = 0
        for path in (self.path / "state/lists").glob("*Release"):
            match = re.search(r"^Date: (.+)$", path.read_text(errors="replace"), re.MULTILINE)
            if match:
                newest = max(newest, int(parsedate_to_datetime(match[1]).timestamp()))
        return newest

    def _deb(self, match: re.Match[str]) -> Deb:
        uri, name, version, arch, size, sha256 = match.groups()
        known = sorted(self.sources, key=lambda s: len(s.uri), reverse=True)
        source = next(s for s in known if uri.startswith(s.uri + "/"))
        path = unquote(uri[len(source.uri) + 1 :])
        return Deb(
            name=name,
            version=unquote(version),
            arch=arch,
            repo=source.repo,
            filename=path,
            size=int(size),
            sha256=sha256,
        )

    def _env(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.path / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def _config(self) -> str:
        root = self.path
        arches = " ".join(f'"{arch}";' for arch in (self.arch, *self.foreign))
        return (
            _acquire()
            + f"""
Dir "{root}"; Dir::Etc "{root}/etc"; Dir::Etc::sourcelist "{root}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::main "/dev/null";
Dir::Etc::preferences "{root}/etc/preferences"; Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::netrc "/etc/apt/auth.conf"; Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::State "{root}/state"; Dir::State::status "{root}/status";
Dir::Cache "{root}"; Dir::Cache::archives "{root}/empty";
APT::Architecture "{self.arch}"; APT::Architectures {{ {arches} }};
APT::Install-Recommends "false"; APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false"; APT::Sandbox::User "";
Acquire::Languages "none"; Acquire::ForceHash "SHA256"; Acquire::Retries "3";
Acquire::GzipIndexes "false"; Debug::NoLocking "1";
"""
        )


def require() -> None:
    """Raise HostError apt.missing on a host without apt."""
    if shutil.which("apt-get") is None:
        raise HostError(
            "apt.missing",
            "Locking packages needs apt, and this computer has none.",
            remedy="Run ./meso lock on Debian. Building needs no apt: set MESO_MIRROR.",
        )


def _acquire() -> str:
    """The host's own proxy and transport settings, so that apt reaches the mirror as it does."""
    dump = run(["apt-config", "dump"]).stdout
    keep = re.findall(r"^Acquire::(?:https?|ftp|socks)::.*;$", dump, re.MULTILINE)
    return "\n".join(keep)
