"""An identity as it can be compared: from a directory, a checkpoint, or the operon loader."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meso_services.contract.identity_hash import PARTS, from_digests
from meso_services.genome.compare import Change, compare
from meso_services.genome.load import STANDING_ORDERS, Loaded
from meso_services.genome.show.place import read_identity_at

MAX_BYTES = 64 << 20
MAX_DIFF = 20_000
Versions = Mapping[str, str]


class SnapshotError(ValueError):
    """Something that holds no identity. The message names it."""


@dataclass(frozen=True)
class Snapshot:
    """`files` (part → path → SHA-256) is None where only the hash is known.

    `place` is the directory of the texts, where there is one.
    """

    label: str
    hash: str | None
    zooids: Versions
    operons: Versions
    files: Mapping[str, Mapping[str, str]] | None
    place: Path | None = None
    problems: tuple[str, ...] = ()

    def recomputed(self) -> str | None:
        """The hash that its files give; None where they are not known."""
        return None if self.files is None else from_digests(self.files).hash


@dataclass(frozen=True)
class Difference:
    """From one to another: files, versions, and what could not be compared."""

    equal: bool
    files: tuple[Change, ...]
    versions: tuple[tuple[str, str | None, str | None], ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_snapshot(place: Path) -> Snapshot:
    """From a genome's or generation's directory, or a checkpoint's file. Raises SnapshotError."""
    if place.is_dir():
        try:
            return of_loaded(str(place), read_identity_at(place), place)
        except FileNotFoundError:
            raise SnapshotError(f"{place} is neither a genome nor a generation") from None
    try:
        if place.stat().st_size > MAX_BYTES:
            raise SnapshotError(f"{place} is larger than {MAX_BYTES} bytes")
        document = json.loads(place.read_bytes())
    except OSError as error:
        raise SnapshotError(f"{place}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{place} is no checkpoint: {error}") from None
    return of_record(str(place), document)


def of_loaded(label: str, loaded: Loaded, place: Path | None) -> Snapshot:
    """From what was read."""
    return Snapshot(
        label,
        loaded.hash,
        {zooid.head.name: zooid.head.version for zooid in loaded.zooids},
        {operon.head.name: operon.head.version for operon in loaded.operons},
        loaded.digests if loaded.hash else None,
        place,
        tuple(map(str, loaded.problems)),
    )


def of_record(label: str, document: Any) -> Snapshot:
    """From a checkpoint, or from what `GET /v1/identity` answers. Raises SnapshotError.

    Also the checkpoint's older form is read, which lists names and no files.
    """
    found = document.get("identity", document) if isinstance(document, dict) else None
    if not isinstance(found, dict) or not {"hash", "operon_versions"} & found.keys():
        raise SnapshotError(f"{label} holds no identity")
    zooids = found.get("zooid_versions") or dict.fromkeys(found.get("loaded_zooids") or (), "?")
    operons = dict.fromkeys(found.get("loaded_operons") or (), "?")
    operons |= found.get("operon_versions") or {}
    files = found.get("files")
    if files is not None and not _well_formed(files):
        raise SnapshotError(f"{label}: `files` is not part → path → SHA-256")
    return Snapshot(label, found.get("hash"), _texts(zooids), _texts(operons), files)


def difference(first: Snapshot, second: Snapshot) -> Difference:
    """What changed from the first to the second."""
    versions = [
        (f"{kind} {name}", old.get(name), new.get(name))
        for kind, old, new in (
            ("zooid", first.zooids, second.zooids),
            ("operon", first.operons, second.operons),
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    unknown = [s.label for s in (first, second) if s.files is None]
    notes = tuple(f"{label} lists no files, so only versions are compared" for label in unknown)
    known = first.files is not None and second.files is not None
    changes = compare(first.files or {}, second.files or {}) if known else ()
    same = first.hash == second.hash if first.hash and second.hash else not (changes or versions)
    return Difference(same, changes, tuple(versions), _diffs(first, second, changes), notes)


def _diffs(first: Snapshot, second: Snapshot, changes: tuple[Change, ...]) -> dict[str, str]:
    if first.place is None or second.place is None:
        return {}
    found = {}
    for change in changes:
        old, new = (_lines(s.place, change) for s in (first, second) if s.place)
        lines = difflib.unified_diff(old, new, first.label, second.label, lineterm="", n=2)
        text = "\n".join(lines)
        found[f"{change.part}/{change.path}"] = text[:MAX_DIFF]
    return found


def _lines(place: Path, change: Change) -> list[str]:
    """A file of a part: a genome keeps zooids and operons inside, a generation beside."""
    inside = (place / STANDING_ORDERS).is_file()
    top = place if inside and change.part == "genome" else place / change.part
    try:
        text = (top / change.path).read_bytes().decode(errors="replace")
    except OSError:
        return []
    return [
        "".join(c if c.isprintable() or c == "\t" else "?" for c in x) for x in text.split("\n")
    ]


def _well_formed(files: Any) -> bool:
    return (
        isinstance(files, dict)
        and sorted(files) == sorted(PARTS)
        and all(
            isinstance(part, dict) and all(isinstance(d, str) for d in part.values())
            for part in files.values()
        )
    )


def _texts(versions: Any) -> dict[str, str]:
    if not isinstance(versions, dict):
        return {}
    return {str(name): str(version) for name, version in versions.items()}
