"""Make the lock files anew: solve, read what must be read, and only then write.

Without `update` every version that the mirrors still have is kept.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meso_host import nix, store
from meso_host.errors import HostError
from meso_host.lock import aptroot, deb, mirrors, packages, python, scripts, users
from meso_host.lock.aptroot import AptRoot
from meso_host.lock.model import (
    LOCK_DIR,
    BusyboxData,
    Deb,
    DebLock,
    Meta,
    dump,
    load,
)
from meso_host.lock.packages import Packages, PackageSet

REQUIREMENTS = Path("requirements")
SEED_DATA = "busybox-data.tar.xz"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a lock changed: files, `name old -> new` lines, and remarks for the operator."""

    files: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """`root` is the project's directory, `lock_dir` where the lock files are read and written.

    A job that is not `strict` turns scripts nobody has read into notes.
    """

    root: Path
    lock_dir: Path
    update: bool = False
    strict: bool = True
    with_python: bool = True


def relock(job: Job, say: Say) -> Outcome:
    """Solve everything and write what changed. Raises HostError; then nothing was written."""
    wanted = packages.load(job.root / packages.PACKAGES)
    old = {s.name: _old(job.lock_dir, s.name) for s in wanted.sets}
    solved, released = _solve(job, wanted, old, say)
    files = _Files(say)
    roots = [d for name, debs in solved.items() if name.startswith("root-") for d in debs]
    files.have([*roots, *(d for d in solved["tools"] if d.name == store.SEED)])
    notes = _review(job, roots, files)
    say("making the table of users")
    lines = [line for d in roots for line in users.of_package(d.name, files.path(d))]
    lines += users.of_overlay(job.root / users.OVERLAY)
    table = users.table(lines, users.load(job.root / users.NUMBERS))
    resolved = _python(job, wanted, say) if job.with_python else None
    seed = next(d for d in solved["tools"] if d.name == store.SEED)
    data = deb.member(files.path(seed), "data.tar").data
    sha256 = hashlib.sha256(data).hexdigest()
    changed = [name for name, debs in solved.items() if debs != old[name]]
    epoch = released if changed or resolved else _epoch(job.lock_dir, released)
    written = [
        name
        for name, debs in solved.items()
        if dump(job.lock_dir, name, DebLock(schema=1, arch=_arch(wanted, name), debs=tuple(debs)))
    ]
    meta = Meta(
        schema=1,
        suite=wanted.suite,
        epoch=epoch,
        busybox_data=BusyboxData(name=SEED_DATA, sha256=sha256),
    )
    written += [
        name
        for name, value in (("meta", meta), ("users", table))
        if dump(job.lock_dir, name, value)
    ]
    if resolved:
        written += _write_python(job, resolved)
    return Outcome(tuple(written), tuple(_differences(old, solved)), tuple(notes))


@contextmanager
def relock_temporarily(root: Path, say: Say) -> Iterator[tuple[Path, Outcome]]:
    """A lock directory of which the mirrors have every file, and how it differs from ours.

    Superseded versions vanish from mirrors; a test run goes on with their successors and reports
    it. The directory is gone when the context ends.
    """
    with tempfile.TemporaryDirectory(prefix="meso-lock-") as scratch:
        lock_dir = Path(scratch, "lock")
        shutil.copytree(root / LOCK_DIR, lock_dir)
        job = Job(root, lock_dir, strict=False, with_python=False)
        yield lock_dir, relock(job, say)


class _Files:
    """Package files that the lock must look into: from the Nix store, else fetched."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._directory = store.cache_dir() / "files"
        self._in_store: set[str] = set()

    def have(self, debs: Sequence[Deb]) -> None:
        """Fetch those that neither the store nor the cache has."""
        items = [store.of_deb(d) for d in {d.sha256: d for d in debs}.values()]
        absent = nix.invalid([i.path for i in items])
        self._in_store = {i.path for i in items} - absent
        missing = [i for i in items if i.path in absent]
        with store.only_one(self._directory):
            store.fetch_into(
                missing, self._directory, lambda p: self._say(f"{p.what} {p.percent} %")
            )

    def path(self, item: Deb) -> Path:
        """Where the package lies."""
        stored = store.of_deb(item).path
        return Path(stored) if stored in self._in_store else self._directory / item.store_name


def _solve(
    job: Job, wanted: Packages, old: dict[str, list[Deb]], say: Say
) -> tuple[dict[str, list[Deb]], int]:
    aptroot.require()
    sources = mirrors.find(wanted.suite)
    solved: dict[str, list[Deb]] = {}
    released = 0
    updated: set[Path] = set()
    for item in wanted.sets:
        apt = _apt(item, sources)
        pins = {} if job.update else {d.name: d.version for d in old[item.name]}
        apt.prepare(wanted.stub, pins)
        if apt.path not in updated:
            say(f"bringing package lists for {'+'.join((item.arch, *item.foreign))}")
            apt.update()
            updated.add(apt.path)
        say(f"solving {item.name}")
        solved[item.name] = [d for d in apt.solve(item) if d.name not in wanted.drop]
        released = max(released, apt.release_time())
    return solved, released


def _apt(item: PackageSet, sources: Sequence[mirrors.Source]) -> AptRoot:
    path = store.cache_dir() / "apt" / "+".join((item.arch, *item.foreign))
    return AptRoot(path, item.arch, sources, item.foreign)


def _review(job: Job, debs: Sequence[Deb], files: _Files) -> list[str]:
    reviews = scripts.load(job.root / scripts.REVIEWS)
    found = [script for d in debs for script in scripts.of(d.name, files.path(d))]
    try:
        stale = scripts.check(found, reviews)
    except HostError as error:
        if job.strict:
            raise
        return [error.message]
    return [f"scripts.toml reviews a script that is gone: {r.package} {r.script}" for r in stale]


def _python(job: Job, wanted: Packages, say: Say) -> python.Resolved | None:
    path = job.root / REQUIREMENTS / "dev.txt"
    keep = {} if job.update or not path.is_file() else python.pinned(path.read_text())
    have = (job.lock_dir / "python.json").is_file()
    if have and keep and python.unchanged(job.root, wanted.python, keep, say):
        return None
    cache = store.cache_dir() / "python"
    return python.lock(job.root, wanted.python, cache, keep=keep, say=say)


def _write_python(job: Job, resolved: python.Resolved) -> list[str]:
    written = ["python"] if dump(job.lock_dir, "python", resolved.image) else []
    (job.root / REQUIREMENTS).mkdir(exist_ok=True)
    for name, text in resolved.requirements.items():
        path = job.root / REQUIREMENTS / f"{name}.txt"
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            written.append(f"requirements/{name}.txt")
    return written


def _old(lock_dir: Path, name: str) -> list[Deb]:
    if not (lock_dir / f"{name}.json").is_file():
        return []
    return list(load(lock_dir, name, DebLock).debs)


def _epoch(lock_dir: Path, fallback: int) -> int:
    """The old time when nothing changed: a new one would make every image a different one."""
    return load(lock_dir, "meta", Meta).epoch if (lock_dir / "meta.json").is_file() else fallback


def _arch(wanted: Packages, name: str) -> str:
    return next(s.arch for s in wanted.sets if s.name == name)


def _differences(old: dict[str, list[Deb]], new: dict[str, list[Deb]]) -> list[str]:
    lines: dict[str, None] = {}
    for name, debs in new.items():
        before = {(d.name, d.arch): d.version for d in old[name]}
        after = {(d.name, d.arch): d.version for d in debs}
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                lines[f"{key[0]} {before.get(key, 'none')} -> {after.get(key, 'none')}"] = None
    return list(lines)
