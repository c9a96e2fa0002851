"""What the policy keeps from a command is covered in its sandbox.

A command reaches files in ways that no reading of its text shows: `cat s*/key`, a script, a
program that walks the tree. So each path that a rule denies, or that it would ask about and the
call does not name, lies below a cover that nobody may open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meso_services.runtime.errors import MesoError

MOST_LOOKED_AT = 200_000
MOST_COVERS = 500
# A name that no file has: where it is kept too, everything in the directory is.
_ANY = "\0"


@dataclass(frozen=True)
class Covers:
    """A file and a directory without any permission, below `place`."""

    place: Path

    @property
    def file(self) -> Path:
        return self.place / "file"

    @property
    def directory(self) -> Path:
        return self.place / "directory"

    def make(self) -> None:
        """Make both; those that are there stay. Raises OSError."""
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0, exist_ok=True)
        if not self.file.exists():
            self.file.touch(mode=0)

    def over(self, workspace: Path, kept: Callable[[str], bool]) -> list[tuple[Path, str]]:
        """(cover, path below the workspace) for everything in it that is `kept`.

        Raises `policy.too_many_files` where that cannot be told, or would be too much.
        """
        found = []
        for path, is_directory in _kept(workspace, kept):
            found.append((self.directory if is_directory else self.file, path))
            if len(found) > MOST_COVERS:
                raise _too_many(f"more than {MOST_COVERS} paths of it fit rules about paths")
        return found


def _kept(workspace: Path, kept: Callable[[str], bool]) -> Iterator[tuple[str, bool]]:
    """The topmost paths that are kept, and whether each is a directory."""
    left, waiting = MOST_LOOKED_AT, [""]
    while waiting:
        below = waiting.pop()
        try:
            entries = list(os.scandir(workspace / below))
        except OSError:
            continue  # gone, or closed to the agent as well
        left -= len(entries)
        if left < 0:
            raise _too_many(f"it has more than {MOST_LOOKED_AT} files")
        for entry in entries:
            # A link is no way past a cover: what it leads to is covered itself.
            if entry.is_symlink():
                continue
            path = f"{below}{entry.name}"
            is_directory = entry.is_dir(follow_symlinks=False)
            if kept(path) or (is_directory and kept(f"{path}/{_ANY}")):
                yield path, is_directory
            elif is_directory:
                waiting.append(f"{path}/")


def _too_many(why: str) -> MesoError:
    return MesoError(
        "policy.too_many_files",
        f"rules about paths cannot be kept in this workspace: {why}",
        status=422,
        hint="narrow the rules by tools, sessions or branches, or deny a directory as a whole",
    )
