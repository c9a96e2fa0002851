"""Publishing operons: checked as an appliance will check them, then written and signed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuf.api._payload import Targets

from meso_host.errors import HostError
from meso_host.registry.repository import Repository
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome import bundle
from meso_services.genome.lint import lint
from meso_services.genome.requires import number
from meso_services.registry.client import entries
from meso_services.registry.listing import Entry, custom, newest, target_path


@dataclass(frozen=True)
class Published:
    """What came of one folder. `change` is `added`, `updated` or `unchanged`."""

    name: str
    version: str
    change: str
    sha256: str


def publish(repository: Repository, folders: Sequence[Path]) -> tuple[Published, ...]:
    """Publish operons from their folders, all or none. Raises HostError."""
    targets = repository.targets()
    done = []
    for folder in folders:
        entry, raw = _packed(folder)
        change = _change(targets, entry, folder)
        if change != "unchanged":
            targets.targets[entry.target] = repository.put(entry.target, raw, custom(entry))
        done.append(Published(entry.head.name, entry.head.version, change, entry.sha256))
    if any(one.change != "unchanged" for one in done):
        repository.release(targets)
    else:
        repository.refresh()
    return tuple(done)


def withdraw(repository: Repository, name: str, version: str) -> None:
    """Take a version out of the listing; appliances then refuse to bring it. Raises HostError."""
    targets = repository.targets()
    if targets.targets.pop(target_path(name, version), None) is None:
        raise HostError(
            "registry.not_listed",
            f"{name} {version} is not in {repository.directory}.",
            remedy="`meso operon publish --list` shows what is.",
        )
    repository.release(targets)


def listed(repository: Repository) -> tuple[Entry, ...]:
    """Everything that the registry lists."""
    return tuple(entries(repository.targets())[0])


def _packed(folder: Path) -> tuple[Entry, bytes]:
    problems = lint(folder)
    if problems:
        raise HostError(
            "registry.bad_operon",
            "\n".join(map(str, problems)),
            remedy="`meso operon lint FOLDER` checks it; docs/operons.md explains the keys.",
        )
    try:
        files = bundle.read_folder(folder)
        operon = bundle.operon(folder.name, files, str(folder))
        raw = bundle.pack(files, str(folder))
    except DocumentError as error:
        raise HostError("registry.bad_operon", str(error), remedy="Correct it first.") from None
    entry = Entry(
        head=operon.head,
        tokens=operon.tokens,
        files=bundle.digests(files),
        sha256=hashlib.sha256(raw).hexdigest(),
        length=len(raw),
    )
    return entry, raw


def _change(targets: Targets, entry: Entry, folder: Path) -> str:
    """A version never changes, and a newer one has a higher number."""
    known = targets.targets.get(entry.target)
    if known is not None:
        if known.hashes.get("sha256") == entry.sha256:
            return "unchanged"
        raise HostError(
            "registry.version_exists",
            f"{entry.head.name} {entry.head.version} is published already, with another content.",
            remedy=f"Raise `version` in {folder}/OPERON.md.",
        )
    before = newest(entries(targets)[0]).get(entry.head.name)
    if before is None:
        return "added"
    if number(entry.head.version) < number(before.head.version):
        raise HostError(
            "registry.version_goes_back",
            f"{entry.head.name} is at {before.head.version}; {entry.head.version} is older.",
            remedy=f"Raise `version` in {folder}/OPERON.md.",
        )
    return "updated"
