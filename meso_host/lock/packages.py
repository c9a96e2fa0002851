"""images/debian/packages.toml: which packages each set asks for by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from meso_host.errors import HostError

PACKAGES = Path("images/debian/packages.toml")


class _Set(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: Literal["amd64", "arm64"]
    packages: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    include: str | None = None


class PythonTargets(BaseModel):
    """Python versions as MAJOR.MINOR, the packages that may lack wheels, and those to leave out.

    All names are as the index compares them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    tested: tuple[str, ...]
    sdist: tuple[str, ...]
    omit: tuple[str, ...] = ()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1]
    suite: str
    stub: tuple[str, ...]
    drop: tuple[str, ...]
    sets: dict[str, _Set]
    groups: dict[str, tuple[str, ...]]
    python: PythonTargets


@dataclass(frozen=True)
class PackageSet:
    """One set, its groups expanded. `packages` may carry `:ARCH` for a foreign architecture."""

    name: str
    arch: str
    foreign: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Packages:
    """The whole file. `stub` names packages that apt is told are installed already, `drop` names
    packages that are solved for and then left out.
    """

    suite: str
    stub: tuple[str, ...]
    drop: tuple[str, ...]
    sets: tuple[PackageSet, ...]
    python: PythonTargets


def load(path: Path) -> Packages:
    """Read packages.toml. Raises HostError packages.broken."""
    try:
        data = tomllib.loads(path.read_text())
        data["schema_"] = data.pop("schema", None)
        file = _File.model_validate(data)
        sets = tuple(_expand(name, item, file.groups) for name, item in file.sets.items())
    except (OSError, tomllib.TOMLDecodeError, ValidationError, KeyError) as error:
        raise HostError(
            "packages.broken",
            f"{path}: {error}",
            remedy="Correct the file, or restore it with git.",
        ) from error
    return Packages(file.suite, file.stub, file.drop, sets, file.python)


def _expand(name: str, item: _Set, groups: dict[str, tuple[str, ...]]) -> PackageSet:
    shared = groups[item.include] if item.include else ()
    return PackageSet(name, item.arch, item.foreign, tuple(sorted({*shared, *item.packages})))
