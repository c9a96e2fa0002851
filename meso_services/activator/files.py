"""Writes below `/run`: each file whole or not at all, and only when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def put(path: Path, content: str) -> bool:
    """Write `content` with mode 0644; True if the file was not so already."""
    if not path.is_symlink() and path.is_file() and path.read_text() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(path)
    new.write_text(content)
    new.chmod(0o644)
    new.replace(path)
    return True


def point(link: Path, target: str) -> bool:
    """Make the symbolic link `link` say `target`, in one step; True if it did not."""
    if link.is_symlink() and str(link.readlink()) == target:
        return False
    link.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(link)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)
    return True


def settle(wanted: Mapping[Path, str], present: list[Path]) -> bool:
    """Write every wanted file and remove those present that are not; True if any changed.

    `present` are the files of an earlier run, which another generation may have left.
    """
    stale = [path for path in present if path not in wanted]
    for path in stale:
        path.unlink(missing_ok=True)
    changed = [put(path, content) for path, content in wanted.items()]
    return bool(stale) or any(changed)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
