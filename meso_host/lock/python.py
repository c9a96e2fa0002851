"""The Python lock: one version per package for every Python that is tested and for the image.

Resolved once, for the oldest tested Python, because a version that it accepts is the newest that
all can share. The files are then looked up for every Python and architecture.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meso_host.errors import HostError
from meso_host.lock import pip
from meso_host.lock.closure import closure
from meso_host.lock.model import PyFile, PyLock, PyPackage
from meso_host.lock.packages import PythonTargets
from meso_host.lock.pip import Found, Target

_ARCHES: tuple[Literal["amd64"], Literal["arm64"]] = ("amd64", "arm64")


@dataclass(frozen=True)
class Resolved:
    """The lock for the image and the requirement files' texts by name (runtime, dev)."""

    image: PyLock
    requirements: Mapping[str, str]


def lock(
    project: Path,
    targets: PythonTargets,
    cache: Path,
    *,
    keep: Mapping[str, str],
    say: Callable[[str], None],
) -> Resolved:
    """Resolve pyproject.toml. `keep` maps package names to versions to prefer.

    Raises HostError python.unsolvable, python.no-wheel or python.marker.
    """
    runtime, dev = _declared(project)
    say("resolving Python packages")
    first = Target(targets.tested[0], "amd64")
    found = {item.name: item for item in _constrained([*runtime, *dev], keep, first)}
    pythons = _pythons(targets)
    wanted = {
        "runtime": closure(runtime, found, pythons, targets.omit),
        "dev": closure([*runtime, *dev], found, pythons, targets.omit),
    }
    hashes = _hashes({name: found[name] for name in wanted["dev"]}, targets, pythons, say)
    image = closure(runtime, found, [targets.image], targets.omit)
    packages = _image_files([found[n] for n in sorted(image)], targets, cache, hashes, say)
    sums = {name: {item.sha256 for item in files.values()} for name, files in hashes.items()}
    for package in packages:
        sums[package.name] |= {file.sha256 for file in package.files.values()}
    return Resolved(
        PyLock(schema=1, python=targets.image, packages=tuple(packages)),
        {name: _requirements(names, found, sums) for name, names in wanted.items()},
    )


def unchanged(
    project: Path, targets: PythonTargets, keep: Mapping[str, str], say: Callable[[str], None]
) -> bool:
    """Whether resolving with the kept versions gives just these: then the lock is still right."""
    say("resolving Python packages")
    runtime, dev = _declared(project)
    resolved = _constrained([*runtime, *dev], keep, Target(targets.tested[0], "amd64"))
    found = {item.name: item for item in resolved}
    names = closure([*runtime, *dev], found, _pythons(targets), targets.omit)
    return {name: found[name].version for name in names} == dict(keep)


def pinned(text: str) -> dict[str, str]:
    """Names and versions of a requirements file that this module wrote."""
    lines = [line.split(" ")[0] for line in text.splitlines() if "==" in line]
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def _declared(project: Path) -> tuple[list[str], list[str]]:
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return table["dependencies"], table["optional-dependencies"]["dev"]


def _constrained(requirements: list[str], keep: Mapping[str, str], target: Target) -> list[Found]:
    """Resolve with the versions to keep; all are given up when they no longer fit together."""
    try:
        return pip.resolve(requirements, target, keep=keep)
    except HostError as error:
        if not keep or error.code not in ("python.unsolvable", "python.no-wheel"):
            raise
    return pip.resolve(requirements, target)


def _pythons(targets: PythonTargets) -> list[str]:
    return sorted({*targets.tested, targets.image})


def _hashes(
    found: Mapping[str, Found],
    targets: PythonTargets,
    pythons: Sequence[str],
    say: Callable[[str], None],
) -> dict[str, dict[Target, Found]]:
    """Each package's wheel for each target; a package of `sdist` may lack some."""
    exact = [f"{f.name}=={f.version}" for f in found.values() if f.name not in targets.sdist]
    special = [f for f in found.values() if f.name in targets.sdist]
    result: dict[str, dict[Target, Found]] = defaultdict(dict)
    for target in (Target(python, arch) for python in pythons for arch in _ARCHES):
        say(f"looking up wheels for Python {target.python} on {target.arch}")
        for item in pip.resolve(exact, target, deps=False):
            result[item.name][target] = item
        for package in special:
            wheel = _try_wheel(package, target)
            if wheel:
                result[package.name][target] = wheel
    return result


def _try_wheel(package: Found, target: Target) -> Found | None:
    try:
        return pip.resolve([f"{package.name}=={package.version}"], target, deps=False)[0]
    except HostError as error:
        if error.code != "python.no-wheel":
            raise
        return None


def _image_files(
    items: Sequence[Found],
    targets: PythonTargets,
    cache: Path,
    hashes: Mapping[str, Mapping[Target, Found]],
    say: Callable[[str], None],
) -> list[PyPackage]:
    """Bring the image's files for both architectures, which gives their sizes."""
    for arch in _ARCHES:
        target = Target(targets.image, arch)
        say(f"bringing wheels for the image on {arch}")
        have = [f"{i.name}=={i.version}" for i in items if target in hashes[i.name]]
        pip.download(have, target, cache)
    packages = []
    for item in items:
        files = {}
        for arch in _ARCHES:
            wheel = hashes[item.name].get(Target(targets.image, arch))
            if wheel is None:
                files["sdist"] = _sdist(item, cache)
            else:
                files["any" if wheel.filename.endswith("-any.whl") else arch] = _file(
                    cache / wheel.filename, wheel.sha256
                )
        packages.append(PyPackage.model_validate({**_named(item), "files": files}))
    return packages


def _named(item: Found) -> dict[str, str]:
    return {"name": item.name, "version": item.version}


def _sdist(item: Found, cache: Path) -> PyFile:
    pip.download_sdist(f"{item.name}=={item.version}", cache)
    path = sorted(cache.glob(f"{item.name}-{item.version}.*"))[0]
    return _file(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _file(path: Path, sha256: str) -> PyFile:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise HostError(
            "python.hash",
            f"{path.name} is not the file that the index names.",
            remedy=f"Remove {path} and try again.",
        )
    return PyFile(filename=path.name, sha256=sha256, size=len(data))


def _requirements(
    names: Iterable[str], found: Mapping[str, Found], sums: Mapping[str, Iterable[str]]
) -> str:
    """The text of a requirements file with every acceptable file's hash."""
    lines = ["# Written by ./meso lock from pyproject.toml; pip install --require-hashes takes it."]
    for name in sorted(names):
        lines.append(f"{name}=={found[name].version} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{value}" for value in sorted(sums[name])))
    return "\n".join(lines) + "\n"
