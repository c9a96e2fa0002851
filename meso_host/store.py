"""Bring every locked file that an image needs into the Nix store.

What the store has is not brought again. The rest is fetched into the cache directory, checked
against the lock, and added in one call. After that the image builds without any network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meso_host import fetch, nix
from meso_host.errors import HostError
from meso_host.fetch import Arrived, Wanted
from meso_host.lock import deb, mirrors, pip
from meso_host.lock.model import (
    BusyboxData,
    Deb,
    DebLock,
    Meta,
    PyLock,
    load,
    store_name,
)

SEED = "busybox-static"
_SPARE = 64 << 20


@dataclass(frozen=True)
class Progress:
    """How far: `done` of `total` bytes of `what` have been brought."""

    what: str
    done: int
    total: int

    @property
    def percent(self) -> int:
        """How far in percent; all of nothing is all."""
        return 100 * self.done // self.total if self.total else 100


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Locked:
    """A locked file: what it is, whose repository it comes from (`python` for wheels)."""

    repo: str
    label: str
    file: Wanted

    @property
    def path(self) -> str:
        """Where it lies in the Nix store."""
        return nix.fixed_path(self.file.name, self.file.sha256)


def cache_dir() -> Path:
    """$XDG_CACHE_HOME/meso, else ~/.cache/meso."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meso"


def locked(lock_dir: Path, arch: str) -> list[Locked]:
    """Every file that an image of `arch` (amd64 or arm64) is built from, without the seed.

    Wheels of amd64 are always among them: the build validates the configuration with them.
    Raises HostError lock.missing or lock.broken.
    """
    sets = ["tools", f"root-{arch}", *(["cross"] if arch != "amd64" else [])]
    debs = {d.sha256: d for name in sets for d in load(lock_dir, name, DebLock).debs}
    found = [of_deb(d) for d in debs.values()]
    models = load(lock_dir, "models", PyLock).packages
    for package in (*load(lock_dir, "python", PyLock).packages, *models):
        kinds = (
            ("any", "amd64", arch) if {"any", arch} & set(package.files) else tuple(package.files)
        )
        for kind, file in package.files.items():
            if kind in kinds:
                wanted = Wanted(file.store_name, file.filename, file.size, file.sha256)
                found.append(Locked("python", f"{package.name}=={package.version}", wanted))
    return found


def seed_path(lock_dir: Path) -> str:
    """Where the seed lies in the Nix store."""
    seed = load(lock_dir, "meta", Meta).busybox_data
    return nix.fixed_path(seed.name, seed.sha256)


def bring(lock_dir: Path, arch: str, report: Report, *, cache: Path | None = None) -> int:
    """Have all locked files of an image in the Nix store; returns how many had to be added.

    Raises HostError: mirror.lacks, mirror.unreachable, disk.full, nix.missing, nix.no-store and
    the lock's own errors.
    """
    items = locked(lock_dir, arch)
    seed = load(lock_dir, "meta", Meta).busybox_data
    seed_path = nix.fixed_path(seed.name, seed.sha256)
    absent = nix.invalid([seed_path, *(item.path for item in items)])
    if not absent:
        return 0
    files = cache or cache_dir() / "files"
    with only_one(files):
        missing = [item for item in items if item.path in absent]
        if seed_path in absent:
            missing += [i for i in items if _is_seed(i) and i not in missing]
        fetch_into(missing, files, report)
        report(Progress("adding to the Nix store", 0, len(absent)))
        with tempfile.TemporaryDirectory(dir=files) as stage:
            staged = [_stage(files / i.file.name, Path(stage)) for i in missing]
            if seed_path in absent:
                source = next(files / i.file.name for i in items if _is_seed(i))
                staged.append(write_seed(source, seed, Path(stage)))
            nix.add_fixed(staged)
        for item in missing:
            (files / item.file.name).unlink(missing_ok=True)
        report(Progress("adding to the Nix store", len(absent), len(absent)))
    return len(absent)


def bring_set(lock_dir: Path, name: str, report: Report) -> int:
    """Have one set's packages in the Nix store, also one that is no part of an image (checks).

    Returns how many had to be added. Raises HostError as `bring` does.
    """
    items = [of_deb(item) for item in load(lock_dir, name, DebLock).debs]
    absent = nix.invalid([item.path for item in items])
    missing = [item for item in items if item.path in absent]
    files = cache_dir() / "files"
    if missing:
        with only_one(files):
            fetch_into(missing, files, report)
            nix.add_fixed([files / item.file.name for item in missing])
            for item in missing:
                (files / item.file.name).unlink(missing_ok=True)
    return len(missing)


def one(item: Deb) -> Path:
    """A single package's file, from the store or fetched into the cache. Raises HostError."""
    wanted = of_deb(item)
    if wanted.path not in nix.invalid([wanted.path]):
        return Path(wanted.path)
    files = cache_dir() / "files"
    with only_one(files):
        fetch_into([wanted], files, lambda _: None)
    return files / wanted.file.name


def write_seed(package: Path, seed: BusyboxData, into: Path) -> Path:
    """Cut data.tar.xz out of the busybox package: what Nix can unpack without any shell."""
    data = deb.member(package, "data.tar").data
    if hashlib.sha256(data).hexdigest() != seed.sha256:
        raise HostError(
            "lock.seed",
            f"meta.json does not fit {package.name}, from which the seed is cut.",
            remedy="Run ./meso lock.",
        )
    path = into / seed.name
    path.write_bytes(data)
    return path


def of_deb(item: Deb) -> Locked:
    """A locked package as a file to bring."""
    wanted = Wanted(item.store_name, item.filename, item.size, item.sha256)
    return Locked(item.repo, f"{item.name} {item.version} ({item.arch})", wanted)


def _is_seed(item: Locked) -> bool:
    return item.label.startswith(f"{SEED} ") and item.label.endswith("(amd64)")


def fetch_into(items: Sequence[Locked], files: Path, report: Report) -> None:
    """Fetch what the directory does not hold; afterwards it holds all of it."""
    todo = [i for i in items if not fetch.whole(files / i.file.name, i.file)]
    total = sum(i.file.size for i in todo)
    if total + _SPARE > shutil.disk_usage(files).free:
        raise nix.disk_full(files, total + _SPARE)
    done = 0

    def arrived(file: Wanted) -> None:
        nonlocal done
        done += file.size
        report(Progress("fetching packages", done, total))

    report(Progress("fetching packages", 0, total))
    for repo in mirrors.REPOS:
        _fetch_debs(repo, [i for i in todo if i.repo == repo], files, arrived)
    _fetch_python([i for i in todo if i.repo == "python"], files, arrived)


def _fetch_debs(repo: str, items: Sequence[Locked], files: Path, arrived: Arrived) -> None:
    if not items:
        return
    for base in mirrors.bases()[repo]:
        left = [i.file for i in items if not (files / i.file.name).exists()]
        way = fetch.by_apt if fetch.APT_HELPER.exists() else fetch.by_http
        way(base, left, files, arrived)
    for item in items:
        if not (files / item.file.name).exists():
            raise HostError(
                "mirror.lacks",
                f"The mirror does not give {item.label}, which the lock names.",
                remedy="If the network works, an update has superseded it: "
                "run ./meso lock --update.",
            )


def _fetch_python(items: Sequence[Locked], files: Path, arrived: Arrived) -> None:
    if not items:
        return
    base = mirrors.operator_pypi()
    if base:
        fetch.by_http(base, [i.file for i in items], files, arrived)
    else:
        pip.bring([(item.label, item.file) for item in items], files)
        for item in items:
            arrived(item.file)
    for item in items:
        if not fetch.whole(files / item.file.name, item.file):
            raise HostError(
                "index.lacks",
                f"The Python index does not give {item.file.name} as the lock names it.",
                remedy="Check pip's configuration or MESO_PYPI; if the file was withdrawn, "
                "run ./meso lock --update.",
            )


def _stage(source: Path, stage: Path) -> Path:
    """The file under its store name in a directory of its own, so that no other is added."""
    target = stage / store_name(source.name)
    os.link(source, target)
    return target


@contextmanager
def only_one(files: Path) -> Iterator[None]:
    """Two commands at once would fetch into the same files: the second waits."""
    try:
        files.mkdir(parents=True, exist_ok=True)
        with (files / ".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
    except OSError as error:
        if error.errno == 28:
            raise nix.disk_full(files) from error
        raise
