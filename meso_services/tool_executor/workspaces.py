"""Workspaces: `/meso/workspaces/SESSION/BRANCH`, one directory for each branch of a session."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

# A leading dot is refused in names that users give, so no user can meet it.
_HEALTH = (".health", "main")


@dataclass(frozen=True)
class Workspaces:
    """All workspaces below one directory. Names are checked by the caller."""

    directory: Path

    def create(self, session: str, branch: str) -> bool:
        """Make a workspace; False if it was there already."""
        place = self.directory / session / branch
        if self._is_there(place):
            return False
        try:
            durable.make_directories(place)
        except OSError as error:
            raise storage_error(error, place) from None
        return True

    def find(self, session: str, branch: str) -> Path:
        """The directory of a workspace. Raises `tools.no_such_workspace`."""
        place = self.directory / session / branch
        if not self._is_there(place):
            raise MesoError(
                "tools.no_such_workspace",
                f"session {session!r} has no workspace for branch {branch!r}",
                status=404,
                hint="POST /v1/workspaces makes one",
            )
        return place

    def list(self) -> list[tuple[str, str]]:
        """All (session, branch), sorted; the service's own are left out."""
        return [
            (session.name, branch.name)
            for session in _directories(self.directory)
            for branch in _directories(session)
        ]

    def for_health(self, content: bytes) -> Path:
        """The reserved workspace, with one file `probe.txt` of this content."""
        place = self.directory.joinpath(*_HEALTH)
        durable.make_directories(place)
        durable.write(place / "probe.txt", content)
        return place

    def _is_there(self, place: Path) -> bool:
        return _is_directory(place.parent) and _is_directory(place)


def _is_directory(path: Path) -> bool:
    """True for a directory, not for a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _directories(directory: Path) -> Iterator[Path]:
    if not _is_directory(directory):
        return
    for path in sorted(directory.iterdir()):
        if not path.name.startswith(".") and _is_directory(path):
            yield path
