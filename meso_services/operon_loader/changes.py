"""Changes of `/meso/operons`: whole or not at all, also over a power cut, and undone by name.

A change is a directory in `.history/`: `new/` is staged there, `change.json` is written
when everything is on the disk, then the old thing moves to `old/` and the new one into
place. A start in the middle finishes what `change.json` says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from meso_services.runtime import durable

HISTORY, RECORD = ".history", "change.json"
KEPT = 50


class Change(BaseModel):
    """One change as it stands on the disk. `place` is the path that it replaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    what: str
    name: str
    place: str
    had: bool
    has: bool
    at: datetime
    state: Literal["prepared", "done", "undone"]


def apply(
    directory: Path, name: str, place: str, new: Mapping[str, bytes] | None, what: str
) -> Change:
    """Put `new` (or, for None, nothing) at `place` below `directory`. Raises OSError.

    `place` is a folder's name, or the path of one file: then `files` has the one key "".
    """
    durable.make_directories(directory / HISTORY, below=directory)
    here = directory / HISTORY / _next_id(directory)
    here.mkdir(mode=0o750)
    if new is not None:
        _stage(here / "new", new)
    had = (directory / place).exists()
    change = Change(
        id=here.name,
        what=what,
        name=name,
        place=place,
        had=had,
        has=new is not None,
        at=datetime.now(UTC),
        state="prepared",
    )
    _record(here, change)
    durable.flush_directory(here.parent)
    return _finish(directory, change)


def undo(directory: Path, change: Change) -> Change:
    """Put back what a change replaced, as a change of its own. Raises OSError."""
    before = old(directory, change)
    done = apply(directory, change.name, change.place, before, f"undo of {change.what}")
    _record(directory / HISTORY / change.id, change.model_copy(update={"state": "undone"}))
    _record(directory / HISTORY / done.id, done.model_copy(update={"state": "undone"}))
    return done


def old(directory: Path, change: Change) -> dict[str, bytes] | None:
    """What a change replaced; None when there was nothing. Raises OSError."""
    return files(directory / HISTORY / change.id / "old") if change.had else None


def files(place: Path) -> dict[str, bytes] | None:
    """A folder's files by path, or one file under the key ""; None for what is not there."""
    if place.is_file():
        return {"": place.read_bytes()}
    if not place.is_dir():
        return None
    paths = [Path(folder, name) for folder, _, names in os.walk(place) for name in names]
    return {str(path.relative_to(place)): path.read_bytes() for path in paths}


def last(directory: Path) -> Change | None:
    """The newest change that was not undone."""
    done = [change for change in history(directory) if change.state == "done"]
    return done[-1] if done else None


def history(directory: Path) -> list[Change]:
    """All changes that are kept, oldest first; a record that cannot be read is passed over."""
    place = directory / HISTORY
    found = []
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        try:
            found.append(Change.model_validate_json((path / RECORD).read_bytes()))
        except (OSError, ValidationError):
            continue
    return found


def recover(directory: Path) -> None:
    """Finish changes that a crash cut short, and remove what was never begun. Raises OSError."""
    place = directory / HISTORY
    known = {change.id: change for change in history(directory)}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
        elif known[path.name].state == "prepared":
            _finish(directory, known[path.name])


def _finish(directory: Path, change: Change) -> Change:
    here, target = directory / HISTORY / change.id, directory / change.place
    durable.make_directories(target.parent, below=directory)
    if change.had and not (here / "old").exists() and target.exists():
        durable.move(target, here / "old")
    if change.has and (here / "new").exists():
        durable.move(here / "new", target)
    done = change.model_copy(update={"state": "done"})
    _record(here, done)
    for old in sorted((directory / HISTORY).iterdir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return done


def _stage(place: Path, new: Mapping[str, bytes]) -> None:
    if list(new) == [""]:
        durable.write(place, new[""])
        return
    place.mkdir(mode=0o750)
    for name, raw in new.items():
        durable.make_directories((place / name).parent, below=place)
        durable.write(place / name, raw)
    durable.flush_directory(place)


def _record(here: Path, change: Change) -> None:
    durable.write(here / RECORD, change.model_dump_json(indent=1).encode() + b"\n")


def _next_id(directory: Path) -> str:
    names = [path.name for path in (directory / HISTORY).iterdir() if path.name.isdecimal()]
    return f"{max(map(int, names), default=0) + 1:06d}"
