"""What building an image takes, beside the goals and beside mkosi for an equal package set.

Everything is built in a store of the bench's own that starts empty but for the locked files, from
a copy of the tree in another directory. Downloads are done before the clock starts, on both sides.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meso_host import build, nix, store
from meso_host.bench import mkosi
from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_services.runtime.process import run as command

APPLIANCES = {"amd64": "x86-minipc", "arm64": "jetson-orin"}
# What the build reads of the tree.
_PARTS = ("configs", "genome", "images", "meso_cli", "meso_services", "modules", "pyproject.toml")
_COLD, _CHANGED, _SAME, _ROOT = 60.0, 15.0, 2.0, 320.0
_ARM = 1.3
NOBODY = 65534


def run(note: Note) -> Iterator[Record]:
    """Measure; the peer comes last, because it may have to be left out."""
    with tempfile.TemporaryDirectory(dir=_room(), prefix="bench-") as scratch:
        amd64 = Engine.prepare(Path(scratch, "amd64"), "amd64", note)
        cold = amd64.seconds("building everything", note)
        yield Record("cold build, no downloads", cold, "s", Against("bound", "goal", _COLD))
        yield _identical(amd64, note)
        yield from _by_another_user(amd64, note)
        _other_host_name(amd64.tree / "configs/x86-minipc.toml")
        changed = amd64.seconds("one key changed", note)
        yield Record("one key changed", changed, "s", Against("bound", "goal", _CHANGED))
        _other_file(amd64.tree)
        overlay = amd64.seconds("one file changed", note)
        yield Record("one file changed", overlay, "s", Against("bound", "goal", _CHANGED))
        same = amd64.seconds("nothing changed", note)
        yield Record("nothing changed", same, "s", Against("bound", "goal", _SAME))
        size = amd64.output("root") / "root.erofs"
        root = size.stat().st_size / (1 << 20)
        yield Record("root file system", root, "MiB", Against("bound", "goal", _ROOT))
        arm64 = Engine.prepare(Path(scratch, "arm64"), "arm64", note)
        slow = arm64.seconds("building everything for aarch64", note)
        limit = Against("bound", f"{_ARM} x x86_64", round(_ARM * cold, 1))
        yield Record("cold build for aarch64", slow, "s", limit)
        ours = Changes(changed, overlay)
        yield from _peer(Path(scratch, "mkosi"), amd64, cold, ours, note)


@dataclass(frozen=True)
class Changes:
    """Seconds from one changed key, and from one changed file of the root, to a new image."""

    key: float
    file: float


@dataclass(frozen=True)
class Engine:
    """A copy of the tree and a store of its own, which has the locked files and nothing else."""

    tree: Path
    store: Path
    name: str
    user: int | None = None  # who builds, if it is not who asks

    @classmethod
    def prepare(cls, top: Path, arch: str, note: Note, user: int | None = None) -> Engine:
        """Copy the tree and fill the store; both are the builder's. Raises HostError."""
        made = cls(top / "tree", top / "store", APPLIANCES[arch], user)
        made.tree.mkdir(parents=True)
        for part in _PARTS:
            source = tree.TOP / part
            if source.is_dir():
                skip = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, made.tree / part, symlinks=True, ignore=skip)
            else:
                shutil.copy(source, made.tree / part)
        note("bringing locked files")
        store.bring(build.locks(), arch, lambda p: note(f"{p.what}, {p.percent}%"))
        note("filling a store of the bench's own")
        items = store.locked(build.locks(), arch)
        paths = [item.path for item in items] + [store.seed_path(build.locks())]
        command(
            ["nix", "copy", "--no-check-sigs", "--to", made.remote, *paths], env=nix.environment()
        )
        if user is not None:
            command(["chown", "-R", f"{user}:{user}", top])
        return made

    @property
    def remote(self) -> str:
        """The store as Nix names it: its paths read /nix/store, and lie below `store`."""
        return f"local?root={self.store}"

    def seconds(self, what: str, note: Note) -> float:
        """Build the image; wall-clock seconds."""
        note(what)
        began = time.monotonic()
        self._build("image")
        return time.monotonic() - began

    def output(self, attribute: str) -> Path:
        """Where a part lies on this disk."""
        return self.store / self._build(attribute).lstrip("/")

    def hash(self, path: str) -> str:
        """Nix's hash of everything in a store path."""
        argv = ["nix-store", "--query", "--hash", path]
        return command(argv, env=self._environment()).stdout.strip()

    def _build(self, attribute: str) -> str:
        argv = ["nix-build", str(self.tree / "images"), "--argstr", "name", self.name]
        if self.user is not None:
            who = (f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups")
            argv = ["setpriv", *who, *argv]
        done = command([*argv, "-A", attribute, "--no-out-link"], env=self._environment())
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        home = {} if self.user is None else {"HOME": str(self.tree)}
        return {**nix.environment(), **home, "NIX_REMOTE": self.remote}

    def image(self) -> str:
        """The image's store path."""
        return self._build("image")


def _identical(engine: Engine, note: Note) -> Record:
    """The image that was just built, against the one in this computer's own store."""
    note("comparing with the image of this computer's store")
    image, ours = engine.image(), str(build.build(engine.name, note))
    argv = ["nix-store", "--query", "--hash", ours]
    here = command(argv, env=nix.environment()).stdout.strip()
    differs = float(image != ours or engine.hash(image) != here)
    return Record(
        "images that differ, of two built apart", differs, "images", Against("bound", "goal", 0)
    )


def _by_another_user(engine: Engine, note: Note) -> Iterator[Record]:
    """The same image built by a user without any privilege, in a store of that user's own."""
    if os.geteuid() != 0:
        print("meso: only root can build as another user; left out", file=sys.stderr)
        return
    # Not below root's own cache, where nobody else may look.
    with tempfile.TemporaryDirectory(prefix="meso-bench-") as scratch:
        Path(scratch).chmod(0o755)
        other = Engine.prepare(Path(scratch, "made"), "amd64", note, NOBODY)
        other.seconds("building as another user", note)
        image = other.image()
        differs = float(image != engine.image() or other.hash(image) != engine.hash(image))
    goal = Against("bound", "goal", 0)
    yield Record("images that differ, built by another user", differs, "images", goal)


def _peer(top: Path, engine: Engine, cold: float, ours: Changes, note: Note) -> Iterator[Record]:
    """The same packages built by mkosi, in this run; half of cold and a quarter of a change."""
    found = mkosi.find(note)
    if found is None:
        said = (
            "mkosi is not on this computer and its repository cannot be reached: set MESO_MKOSI "
            "to a directory with its sources"
        )
        print(f"meso: no peer was measured, {said}", file=sys.stderr)
        return
    names = [item.name for item in mkosi.package_set(build.locks())]
    layers = [engine.output(part) / f"{part}.tar" for part in ("python", "model")]
    peer = mkosi.Peer.prepare(top, found, names, layers, note)
    their_cold = peer.cold(note)
    yield Record("cold build, beside a peer", cold, "s", Against("peer", found.label, their_cold))
    yield _share("cold build, share of the peer's time", cold, their_cold, 0.5)
    theirs = peer.changed(note)
    for what, seconds in (("one key", ours.key), ("one file", ours.file)):
        against = Against("peer", found.label, theirs)
        yield Record(f"{what} changed, beside a peer", seconds, "s", against)
        yield _share(f"{what} changed, share of the peer's time", seconds, theirs, 0.25)


def _share(name: str, ours: float, theirs: float, goal: float) -> Record:
    return Record(name, round(ours / theirs, 3), "x", Against("bound", "goal", goal))


def _other_host_name(file: Path) -> None:
    """One key of the appliance's configuration, changed as an operator would."""
    lines = file.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("hostname"))
    lines[at] = 'hostname = "bench"'
    file.write_text("\n".join(lines) + "\n")


def _other_file(top: Path) -> None:
    """One file of the root, changed: what the peer's incremental build is measured with too."""
    (top / "images/debian/overlay/etc/bench").write_text(f"{time.time_ns()}\n")


def _room() -> Path:
    """Where the bench's stores lie: on the cache's disk, several GiB for a while."""
    place = store.cache_dir() / "bench"
    place.mkdir(parents=True, exist_ok=True)
    return place
