"""The lock files' shapes, and the one way they are read and written.

They lie in images/debian/lock and name a repository, a path inside it, a size in bytes and a
SHA-256 in hex; no host name. Nix reads the same files.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meso_host.errors import HostError

LOCK_DIR = Path("images/debian/lock")
_UNSAFE = re.compile(r"[^A-Za-z0-9+._?=-]")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deb(_Frozen):
    """One package file. `arch` may be `all` or, in the cross set, the target's."""

    name: str
    version: str
    arch: str
    repo: str
    filename: str
    size: int
    sha256: str

    @property
    def store_name(self) -> str:
        """The file's name in the Nix store, which allows fewer characters than Debian."""
        return store_name(f"{self.name}_{self.version}_{self.arch}.deb")


class DebLock(_Frozen):
    """images/debian/lock/SET.json, sorted by name."""

    version: Literal[1] = Field(1, alias="schema")
    arch: str
    debs: tuple[Deb, ...]


class BusyboxData(_Frozen):
    """The data.tar.xz inside the tools' busybox-static: the seed that Nix can unpack by itself."""

    name: str
    sha256: str


class Meta(_Frozen):
    """images/debian/lock/meta.json. `epoch` is the build's SOURCE_DATE_EPOCH in seconds."""

    version: Literal[1] = Field(1, alias="schema")
    suite: str
    epoch: int
    busybox_data: BusyboxData


class PyFile(_Frozen):
    """One wheel or source archive of a Python package."""

    filename: str
    sha256: str
    size: int

    @property
    def store_name(self) -> str:
        """The file's name in the Nix store."""
        return store_name(self.filename)


class PyPackage(_Frozen):
    """One distribution. `files` has `any`, or `amd64`/`arm64`, or `sdist` where no wheel exists."""

    name: str
    version: str
    files: dict[Literal["any", "amd64", "arm64", "sdist"], PyFile]


class PyLock(_Frozen):
    """images/debian/lock/python.json: what the image takes, sorted by name."""

    version: Literal[1] = Field(1, alias="schema")
    python: str
    packages: tuple[PyPackage, ...]


class User(_Frozen):
    """One account with fixed numbers. `source` is who creates it elsewhere."""

    name: str
    uid: int
    group: str
    gecos: str
    home: str
    shell: str
    source: str


class Group(_Frozen):
    """One group with a fixed number and its members by name."""

    name: str
    gid: int
    members: tuple[str, ...]
    source: str


class UserLock(_Frozen):
    """images/debian/lock/users.json, both lists sorted by number."""

    version: Literal[1] = Field(1, alias="schema")
    users: tuple[User, ...]
    groups: tuple[Group, ...]


Model = TypeVar("Model", bound=BaseModel)


def store_name(name: str) -> str:
    """`name` with every character that a Nix store name forbids replaced by `-`."""
    return _UNSAFE.sub("-", name)


def load(directory: Path, name: str, kind: type[Model]) -> Model:
    """Read `directory/name.json`.

    Raises HostError lock.missing or lock.broken.
    """
    path = directory / f"{name}.json"
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise HostError("lock.missing", f"{path} is missing.", remedy="Run ./meso lock.") from None
    except ValidationError as error:
        raise HostError(
            "lock.broken",
            f"{path} is not a lock file that this version understands: {error}",
            remedy="Restore it with git, or run ./meso lock --update.",
        ) from error


def dump(directory: Path, name: str, value: BaseModel) -> bool:
    """Write `directory/name.json` as a whole; True when that changed it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    data = value.model_dump(mode="json", by_alias=True)
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if path.is_file() and path.read_text() == text:
        return False
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
    return True
