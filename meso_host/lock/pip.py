"""pip as the lock uses it: the operator's index, other Pythons and machines than this one.

Local directories of the pip configuration are left out, because what they hold may have been
built on this machine and would give hashes that nobody else can match.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_host.errors import HostError
from meso_host.fetch import Wanted
from meso_services.runtime.process import run

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# The oldest glibc of the tested hosts is 2.36, the image's is 2.41; wheels stop at 2.34 today.
_GLIBC = ("2_34", "2_31", "2_28", "2_27", "2_24", "2_17", "2_12", "2_5")


@dataclass(frozen=True)
class Target:
    """A Python (`3.13`) on an architecture (`amd64`)."""

    python: str
    arch: str

    def options(self) -> list[str]:
        """pip's options that choose wheels for this target instead of the running Python."""
        machine = MACHINES[self.arch]
        tags = [f"manylinux_{v}_{machine}" for v in _GLIBC]
        tags += [f"manylinux2014_{machine}", f"linux_{machine}"]
        platforms = [word for tag in tags for word in ("--platform", tag)]
        return ["--python-version", self.python, "--only-binary", ":all:", *platforms]


@dataclass(frozen=True)
class Found:
    """One distribution that pip chose, with its file's name and SHA-256."""

    name: str
    version: str
    filename: str
    sha256: str
    requires: tuple[str, ...]


def normal(name: str) -> str:
    """The name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(
    requirements: Sequence[str],
    target: Target,
    *,
    deps: bool = True,
    keep: Mapping[str, str] | None = None,
) -> list[Found]:
    """What pip would install for `requirements`, sorted by name. Nothing is installed.

    `keep` maps names to the versions they must have if they are needed. Raises HostError
    python.unsolvable or python.no-wheel.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report, kept = Path(scratch, "report.json"), Path(scratch, "keep.txt")
        kept.write_text("".join(f"{n}=={v}\n" for n, v in sorted((keep or {}).items())))
        argv = ["install", "--dry-run", "--ignore-installed", "--report", str(report)]
        argv += ["--constraint", str(kept), "--target", str(Path(scratch, "none"))]
        argv += [*target.options(), *([] if deps else ["--no-deps"])]
        _pip([*argv, *requirements], target)
        items = json.loads(report.read_text())["install"]
    return sorted((_found(item) for item in items), key=lambda found: found.name)


def download(requirements: Sequence[str], target: Target, into: Path) -> None:
    """Bring the wheels of exact requirements into a directory; pip keeps what is there."""
    into.mkdir(parents=True, exist_ok=True)
    argv = ["download", "--no-deps", "--dest", str(into), *target.options()]
    _pip([*argv, *requirements], target)


def download_sdist(requirement: str, into: Path) -> None:
    """Bring one source archive. pip prepares its metadata, which may bring build tools."""
    into.mkdir(parents=True, exist_ok=True)
    # Only this package must come as source: its build requirements may come as wheels.
    name = re.split(r"[=<>]", requirement)[0]
    _pip(["download", "--no-deps", "--dest", str(into), "--no-binary", name, requirement], None)


def bring(files: Iterable[tuple[str, Wanted]], into: Path) -> None:
    """Bring locked files by exact requirement, with the operator's whole pip configuration.

    pip checks the hashes before it does anything else with a file. A source archive's metadata is
    prepared by pip, which may bring build tools.
    """
    groups: dict[Target | None, list[tuple[str, Wanted]]] = defaultdict(list)
    for requirement, file in files:
        groups[_target_of(file.path)].append((requirement, file))
    for target, items in groups.items():
        argv = ["download", "--no-deps", "--require-hashes", "--dest", str(into)]
        names = ",".join(requirement.partition("==")[0] for requirement, _ in items)
        argv += target.options() if target else ["--no-binary", names]
        with tempfile.TemporaryDirectory() as scratch:
            listed = Path(scratch, "requirements.txt")
            lines = [f"{requirement} --hash=sha256:{file.sha256}\n" for requirement, file in items]
            listed.write_text("".join(lines))
            _pip([*argv, "-r", str(listed)], target, env={})


def _target_of(filename: str) -> Target | None:
    """The target that a wheel is for; None for a source archive. A pure wheel fits any."""
    match = re.search(r"-(?:cp3(\d+)|py[\d.py]+)-[^-]+-([^-]+)\.whl$", filename)
    if match is None:
        return None
    arch = next((a for a, machine in MACHINES.items() if machine in match[2]), "amd64")
    return Target(f"3.{match[1] or 13}", arch)


def _found(item: Mapping[str, Any]) -> Found:
    url: str = item["download_info"]["url"]
    meta = item["metadata"]
    return Found(
        normal(meta["name"]),
        meta["version"],
        url.split("#", 1)[0].rsplit("/", 1)[1].replace("%2B", "+"),
        item["download_info"]["archive_info"]["hash"].removeprefix("sha256="),
        tuple(meta.get("requires_dist", ())),
    )


def _pip(
    arguments: Sequence[str], target: Target | None, env: Mapping[str, str | None] | None = None
) -> None:
    argv = [sys.executable, "-m", "pip", arguments[0], "--quiet", *arguments[1:]]
    done = run(argv, env=_environment() if env is None else env, check=False)
    if done.status == 0:
        return
    lacking = re.search(r"No matching distribution found for (\S+)", done.stderr)
    where = f"Python {target.python} on {target.arch}" if target else "any Python"
    if lacking:
        raise HostError(
            "python.no-wheel",
            f"The Python index has no file of {lacking[1]} for {where}.",
            remedy="Allow another version in pyproject.toml, or, if it can be built from its "
            "source archive, name it under [python] sdist in images/debian/packages.toml.",
        )
    raise HostError(
        "python.unsolvable",
        f"pip failed for {where}:\n{done.stderr.strip()[-3000:]}",
        remedy="Check the network and pip's configuration, or correct pyproject.toml.",
    )


def _environment() -> dict[str, str | None]:
    """The operator's pip settings as variables, without directories of this machine."""
    listed = run([sys.executable, "-m", "pip", "config", "list"]).stdout
    settings: dict[str, str | None] = {"PIP_FIND_LINKS": None, "PIP_EXTRA_INDEX_URL": None}
    for key, value in re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        words = value.split()
        if key in ("index-url", "extra-index-url"):
            words = [word for word in words if not word.startswith("file:")]
        if key not in ("find-links", "no-index") and words:
            settings["PIP_" + key.upper().replace("-", "_")] = " ".join(words)
    return {**settings, "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
