"""A directory as it would be: reads the disk, remembers changes, writes them when told."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from meso_cli.output import CliError
from meso_services.runtime import durable

MOST_BYTES = 8 << 20


class Tree:
    """The files below `top`. Nothing on the disk changes before `write`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._new: dict[str, str | None] = {}

    def read(self, path: str) -> str | None:
        """The file's text as it would be, or None. Line endings stay as they are."""
        if path in self._new:
            return self._new[path]
        return self._on_disk(path)

    def put(self, path: str, text: str | None) -> None:
        """Change a file (None removes it), for now only here."""
        self._new[path] = text

    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        """Path → text before and after, for each file that would change."""
        both = {path: (self._on_disk(path), new) for path, new in self._new.items()}
        return {path: pair for path, pair in sorted(both.items()) if pair[0] != pair[1]}

    def diff(self) -> str:
        """The changes as a unified diff."""
        lines: list[str] = []
        for path, (old, new) in self.changes().items():
            was, is_now = (path if text is not None else "/dev/null" for text in (old, new))
            before, after = ((text or "").splitlines(keepends=True) for text in (old, new))
            for line in difflib.unified_diff(before, after, was, is_now):
                lines.append(line if line.endswith("\n") else f"{line}\n")
        return "".join(lines)

    def missing_directories(self) -> list[str]:
        """Directories that the changes would make, outermost first."""
        parents = {
            str(parent)
            for path, (_, new) in self.changes().items()
            if new is not None
            for parent in Path(path).parents
            if str(parent) != "." and not (self.top / parent).is_dir()
        }
        return sorted(parents)

    def write(self, *, first: str) -> None:
        """Make the changes, `first` before all others; a file keeps its mode."""
        changes = self.changes()
        for path in sorted(changes, key=lambda path: path != first):
            self._write(path, changes[path][1])

    def _write(self, path: str, text: str | None) -> None:
        place = self.top / path
        if text is None:
            place.unlink(missing_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = place.stat().st_mode & 0o7777 if place.exists() else 0o644
        durable.write(place, text.encode(), mode=mode)
        place.chmod(mode)

    def _on_disk(self, path: str) -> str | None:
        place = self.top / path
        if not place.resolve().is_relative_to(self.top.resolve()) or place.is_symlink():
            raise CliError(
                "adapter.link",
                f"{place} is or lies behind a symbolic link.",
                hint="Replace the link by a file of its own, or choose another directory.",
            )
        try:
            raw = _bounded(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError as problem:
            raise CliError("adapter.not_text", f"{place} is not UTF-8: {problem}") from problem


def _bounded(place: Path) -> bytes:
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise CliError("adapter.too_large", f"{place} is larger than {MOST_BYTES >> 20} MiB.")
    return raw
