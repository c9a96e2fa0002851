"""The build's own programs: locked amd64 packages unpacked into one directory.

Their dynamic loader is the one beside them, so that they run in a sandbox with nothing else.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lib import deb, tar
from lib.elf import with_interpreter
from lib.step import output, read_spec

_DROP = ("usr/share/", "etc/", "var/", "run/")


@dataclass(frozen=True)
class Spec:
    """`loader` is the dynamic loader to start programs with, `debs` are paths of packages."""

    loader: str
    debs: list[str]


def _wanted(entry: tar.Entry) -> bool:
    # Static libraries are large, and nothing here links with one.
    return bool(entry.path) and not entry.path.startswith(_DROP) and not entry.path.endswith(".a")


def _place(entry: tar.Entry, top: Path, loader: str) -> None:
    path = top / entry.path
    match entry.kind:
        case "dir":
            path.mkdir(parents=True, exist_ok=True)
        case "link":
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_symlink():  # base-files brings /bin and the like as well
                path.symlink_to(entry.target)
        case "hard":
            os.link(top / entry.target, path)
        case _:
            path.parent.mkdir(parents=True, exist_ok=True)
            program = entry.mode & 0o111
            path.write_bytes(with_interpreter(bytes(entry.data), loader) if program else entry.data)
            path.chmod(0o755 if program else 0o644)


def main() -> None:
    """Unpacks all packages into the output directory."""
    spec, out = read_spec(Spec), output()
    for name in ("bin", "sbin", "lib", "lib64"):
        (out / "usr" / name).mkdir(parents=True)
        (out / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(2) as pool:
        for content in pool.map(deb.data, map(Path, spec.debs)):
            for entry in filter(_wanted, tar.read(content)):
                _place(entry, out, spec.loader)
