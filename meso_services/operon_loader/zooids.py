"""The instance's own copies of the zooids: deployed from a generation, edited, merged.

`/meso/zooids/NAME.md` is what the agent is. Beside it, `.base/` holds the version that
was deployed last, so that an update can tell a local edit from an old version:

- the generation has nothing new: the copy stays as it is;
- the copy was not edited: it becomes the generation's;
- both changed: a three-way merge. Where it contradicts itself, the local text stays in
  force, the base stays, and the conflict is shown until somebody resolves it.

A conflict is never stored: it follows from the three texts, so a crash cannot leave half
of one. What a merge or a resolution replaces is kept in `.old/`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.load import parse_zooid
from meso_services.genome.merge import Hunk, three_way
from meso_services.genome.models import MAX_FILE_BYTES, Problem
from meso_services.runtime import durable

BASE, OLD = ".base", ".old"
KEPT_OLD = 200
State = Literal["deployed", "edited", "added", "removed", "conflict"]


@dataclass(frozen=True)
class Copy:
    """One zooid: what the instance has, what was deployed last, what the generation says.

    None means that there is none. `hunks` and `reason` say what contradicts itself.
    """

    file: str
    mine: bytes | None
    base: bytes | None
    theirs: bytes | None
    hunks: tuple[Hunk, ...] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        """How it stands to the generation."""
        if self.reason:
            return "conflict"
        if self.mine == self.theirs:
            return "deployed"
        if self.mine is None:
            return "removed"
        return "added" if self.theirs is None else "edited"


@dataclass(frozen=True)
class Zooids:
    """All copies after a deployment, and files that are none."""

    copies: tuple[Copy, ...]
    problems: tuple[Problem, ...]

    def effective(self) -> dict[str, bytes]:
        """What the agent is: file name → bytes."""
        return {copy.file: copy.mine for copy in self.copies if copy.mine is not None}

    def conflicts(self) -> tuple[Copy, ...]:
        """Those that wait for a resolution."""
        return tuple(copy for copy in self.copies if copy.state == "conflict")


def deploy(directory: Path, generation: Mapping[str, bytes]) -> Zooids:
    """Bring the copies up to the generation's zooids (file name → bytes). Raises OSError."""
    durable.make_directories(directory / BASE, below=directory)
    durable.make_directories(directory / OLD, below=directory)
    problems: list[Problem] = []
    mine, base = read(directory, problems), read(directory / BASE, [])
    copies = []
    for file in sorted(mine.keys() | base.keys() | generation.keys()):
        copy = Copy(file, mine.get(file), base.get(file), generation.get(file))
        copies.append(_settle(directory, copy))
    there = tuple(c for c in copies if c.mine is not None or c.theirs is not None)
    return Zooids(there, tuple(problems))


def _settle(directory: Path, copy: Copy) -> Copy:
    if copy.theirs == copy.base:
        return copy
    if copy.mine == copy.base:
        return put(directory, copy, copy.theirs)
    if copy.mine == copy.theirs:
        return put(directory, copy, copy.mine)
    if copy.mine is None or copy.theirs is None:
        gone, other = ("here", "changed") if copy.mine is None else ("upstream", "edited here")
        return _conflict(copy, (), f"was removed {gone} and {other}")
    return _merge(directory, copy, copy.mine, copy.theirs)


def _merge(directory: Path, copy: Copy, mine: bytes, theirs: bytes) -> Copy:
    try:
        texts = [(text or b"").decode() for text in (copy.base, mine, theirs)]
    except UnicodeDecodeError:
        return _conflict(copy, (), "is not UTF-8, so it cannot be merged")
    merged = three_way(*texts)
    if merged.conflicts:
        return _conflict(copy, merged.conflicts, "was changed here and upstream in one place")
    try:
        parse_zooid(copy.file, merged.text.encode(), copy.file)
    except DocumentError as error:
        return _conflict(copy, (), f"merged, it would not be a zooid: {error.problem}")
    return put(directory, copy, merged.text.encode())


def _conflict(copy: Copy, hunks: tuple[Hunk, ...], reason: str) -> Copy:
    return Copy(copy.file, copy.mine, copy.base, copy.theirs, hunks, reason)


def put(directory: Path, copy: Copy, new: bytes | None) -> Copy:
    """Make `new` the instance's text and the generation's the base. Raises OSError.

    The copy is written before the base: a crash between them is merged again, to the same.
    """
    if copy.mine is not None and new != copy.mine:
        keep(directory, copy.file, copy.mine)
    if new != copy.mine:
        _write(directory / copy.file, new)
    if copy.theirs != copy.base:
        _write(directory / BASE / copy.file, copy.theirs)
    return Copy(copy.file, new, copy.theirs, copy.theirs)


def keep(directory: Path, file: str, text: bytes) -> Path:
    """Keep a text that is about to be replaced, under its digest. Raises OSError."""
    place = directory / OLD / f"{file}.{hashlib.sha256(text).hexdigest()[:16]}"
    if not place.exists():
        durable.write(place, text)
    old = sorted((directory / OLD).iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in old[:-KEPT_OLD]:
        path.unlink()
    return place


def _write(path: Path, text: bytes | None) -> None:
    if text is None:
        durable.remove(path)
    else:
        durable.write(path, text)


def read(directory: Path, problems: list[Problem]) -> dict[str, bytes]:
    """The zooids' files in a directory; what is none becomes a problem. Raises OSError."""
    found: dict[str, bytes] = {}
    for entry in sorted(os.scandir(directory), key=lambda e: e.name):
        if entry.name.startswith("."):
            continue
        if not entry.name.endswith(".md") or not entry.name.isprintable():
            problems.append(_stray(entry.name, "only `NN-NAME.md` files belong here"))
        elif (raw := _bytes(Path(entry.path))) is None:
            problems.append(_stray(entry.name, f"no regular file up to {MAX_FILE_BYTES} bytes"))
            found[entry.name] = b""  # no zooid: the deployed one stands in, see genome.layers
        else:
            found[entry.name] = raw
    return found


def _stray(name: str, problem: str) -> Problem:
    return Problem(f"zooids/{name!r}"[:200], "", problem)


def _bytes(path: Path) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            raw = file.read(MAX_FILE_BYTES + 1) if regular else b""
    except OSError:
        return None
    return raw if regular and len(raw) <= MAX_FILE_BYTES else None
