"""show, diff and verify: identities of appliances, directories and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from meso_cli.actions import on_this_appliance, service
from meso_cli.command import FACTORY
from meso_cli.output import CliError, Output
from meso_cli.verbs.identity import Diff, Show, Verify
from meso_services.contract.identity import IdentityReply
from meso_services.genome.show.snapshot import (
    Snapshot,
    SnapshotError,
    difference,
    of_record,
    read_snapshot,
)

PROFILES = Path("/nix/var/nix/profiles")
GENERATION = Path("/run/meso/current")


def show(request: Show, output: Output) -> int:
    """One identity."""
    if request.place is not None:
        found = snapshot(request.place)
        document = {
            "hash": found.hash,
            "zooid_versions": dict(found.zooids),
            "operon_versions": dict(found.operons),
            "problems": list(found.problems),
        }
        rows = [("identity", found.hash or "none"), ("read from", found.label)]
        output.result(document, _text(rows, found, found.problems))
        return int(found.hash is None)
    on_this_appliance("identity", "or name a directory")
    reply = _served()
    rows = [("identity", reply.hash), ("generation", reply.generation)]
    rows += [(name, value) for name, value in reply.parts.model_dump().items()]
    notes = [f"{d.part}/{d.path} was {d.change} here" for d in reply.local]
    notes += [f"{name}: conflict; `meso identity conflicts`" for name in reply.conflicts]
    found = of_record("current", reply.model_dump(mode="json"))
    output.result(reply.model_dump(mode="json", exclude={"files"}), _text(rows, found, notes))
    return 0


def diff(request: Diff, output: Output) -> int:
    """Two identities; 1 when they differ."""
    first, second = snapshot(request.first), snapshot(request.second)
    found = difference(first, second)
    document = {
        "equal": found.equal,
        "first": {"place": first.label, "hash": first.hash},
        "second": {"place": second.label, "hash": second.hash},
        "files": [{"part": c.part, "path": c.path, "change": c.change} for c in found.files],
        "versions": [{"what": w, "from": old, "to": new} for w, old, new in found.versions],
        "notes": list(found.notes),
        "diffs": dict(found.texts),
    }
    lines = [f"{s.label}: {s.hash or 'no hash'}" for s in (first, second)]
    lines += [f"{w}: {old or 'none'} → {new or 'none'}" for w, old, new in found.versions]
    for change in found.files:
        lines.append(f"{change.part}/{change.path}: {change.change}")
        lines += [found.texts.get(f"{change.part}/{change.path}", "")]
    lines += [f"note: {note}" for note in found.notes]
    lines.append("the same identity" if found.equal else "different identities")
    output.result(document, "\n".join(line for line in lines if line))
    return int(not found.equal)


def verify(request: Verify, output: Output) -> int:
    """1 when a hash is not what it says."""
    place = request.place or "current"
    found = snapshot(place)
    computed = found.recomputed()
    problems = list(found.problems)
    if found.hash is None:
        problems.append(f"{found.label} says no hash")
    elif computed is None:
        problems.append(f"{found.label} lists no files, so its hash cannot be recomputed")
    elif computed != found.hash:
        problems.append(f"{found.label} says {found.hash}, but its files give {computed}")
    problems += _against_manifest(found)
    if request.expect and request.expect != found.hash:
        problems.append(f"{found.label} is {found.hash}, not {request.expect}")
    if place == "current":
        problems += _against_generation()
    document = {"place": found.label, "hash": found.hash, "problems": problems}
    text = "\n".join(problems) or f"{found.label} is {found.hash}, and holds what it says"
    output.result(document, text)
    return int(bool(problems))


def snapshot(place: str) -> Snapshot:
    """The identity of a place. Raises CliError."""
    if place == "current":
        on_this_appliance("identity", "or name a directory")
        return of_record("current", _served().model_dump(mode="json"))
    known = {"generation": GENERATION, "factory": FACTORY}
    path = known.get(place) or (
        PROFILES / f"meso-{place}-link" if place.isdecimal() else Path(place)
    )
    try:
        return read_snapshot(path)
    except SnapshotError as error:
        raise CliError(
            "identity.no_such_place",
            f"{error}.",
            hint="A place is a directory of a genome or generation, or a checkpoint's file.",
        ) from None


def _served() -> IdentityReply:
    with service("operon-loader") as connection:
        return connection.get("/v1/identity", IdentityReply, files=True)


def _against_manifest(found: Snapshot) -> list[str]:
    """A generation's directory says its hash in its manifest, too."""
    said = _manifest(found.place) if found.place else None
    if said is None or said == found.hash:
        return []
    return [f"{found.label}: its manifest says {said}, but its files give {found.hash}"]


def _manifest(place: Path) -> str | None:
    try:
        manifest: Any = json.loads((place / "manifest.json").read_bytes())
        return str(manifest["identity"]["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _against_generation() -> list[str]:
    """What is served must have been read from the generation that is current."""
    reply, said = _served(), _manifest(GENERATION)
    problems = [
        f"{name} waits for a decision: `meso identity conflicts`" for name in reply.conflicts
    ]
    if said and said != reply.declared:
        problems.append(f"the generation says {said}, but {reply.declared} was read from it")
    return problems


def _text(rows: list[tuple[str, str]], found: Snapshot, notes: Any) -> str:
    rows = rows + [(f"zooid {n}", v) for n, v in sorted(found.zooids.items())]
    rows += [(f"operon {n}", v) for n, v in sorted(found.operons.items())]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join([*lines, *(f"! {note}" for note in notes)])
