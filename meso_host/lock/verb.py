"""What `./meso lock` asks for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_host import store
from meso_host.errors import HostError
from meso_host.lock import scripts
from meso_host.lock.model import LOCK_DIR, DebLock, load
from meso_host.lock.relock import Job, Outcome, Say, relock


@dataclass(frozen=True)
class Request:
    """`update` takes the newest versions; `review` prints a package's scripts instead."""

    update: bool = False
    review: str | None = None


def main(request: Request, root: Path, say: Say) -> Outcome:
    """Make the lock files of the project in `root` anew; `say` is told each step.

    Raises HostError; then no file was changed.
    """
    return relock(Job(root, root / LOCK_DIR, update=request.update), say)


def review(package: str, root: Path) -> str:
    """The maintainer scripts of a locked package, each under a line to copy into scripts.toml.

    Raises HostError lock.no-package or what fetching raises.
    """
    found = {
        d.sha256: d
        for arch in ("amd64", "arm64")
        for d in load(root / LOCK_DIR, f"root-{arch}", DebLock).debs
        if d.name == package
    }
    if not found:
        raise HostError(
            "lock.no-package",
            f"No package {package} is locked for the root file system.",
            remedy="Look it up in images/debian/lock/root-amd64.json.",
        )
    text: dict[str, str] = {}
    for item in found.values():
        for script in scripts.of(item.name, store.one(item)):
            head = f'# package = "{script.package}" script = "{script.name}"'
            body = script.text.decode(errors="replace").rstrip()
            text[f'{head} sha256 = ["{script.digest}"]'] = body
    return "\n\n".join(f"{head}\n{body}" for head, body in text.items()) + "\n"
