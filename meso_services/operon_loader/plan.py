"""What a change of the operons would do, before it is done: diff, capabilities, warnings."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meso_services.contract import operons as wire
from meso_services.contract.identity import OperonTriggers
from meso_services.genome import bundle
from meso_services.genome.match import Matcher, failed_tests
from meso_services.genome.models import Operon, Origin
from meso_services.genome.requires import number, required
from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.own import LAZY, ORIGIN
from meso_services.registry.listing import Entry
from meso_services.runtime.errors import MesoError

MAX_DIFF = 200_000
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Here:
    """What is in force now: the operon, where it comes from, and its files as far as known."""

    operon: Operon | None
    origin: Origin | None
    files: Files
    edited: bool = False


@dataclass(frozen=True)
class Step:
    """A plan to show, and what doing it writes: `place` gets `files` (None: is removed)."""

    shown: wire.ChangePlan
    place: str
    files: Files | None


def here(catalog: Catalog, name: str, operons: Path, generation: Path | None) -> Here:
    """What is in force by that name. Raises OSError or DocumentError."""
    operon = next((o for o in catalog.loaded.operons if o.head.name == name), None)
    origin = catalog.loaded.origins.get(name)
    own = operons / name
    if own.is_dir():
        files = bundle.read_folder(own)
        return Here(operon, origin or "instance", files, _edited(own, files))
    if origin == "generation" and generation is not None:
        return Here(operon, origin, bundle.read_folder(generation / "operons" / name))
    return Here(operon, origin, {})


def _edited(own: Path, files: Files) -> bool:
    """Whether somebody changed what came from the registry."""
    try:
        recorded = Entry.model_validate_json((own / ORIGIN).read_bytes()).files
    except (OSError, ValueError):
        return False
    return bundle.digests(files) != dict(sorted(recorded.items()))


def check_known(catalog: Catalog, operon: Operon) -> None:
    """Raises `operon.requires_missing` or `operon.fails_its_tests`."""
    versions = {o.head.name: number(o.head.version) for o in catalog.loaded.operons}
    for name, least in required(operon):
        if versions.get(name, -1) < max(least, 1):
            wanted = f"{name} from v{least} on" if least else name
            raise MesoError(
                "operon.requires_missing",
                f"{operon.head.name} requires {wanted}, which is not here",
                status=409,
                hint=f"`meso operon add {name}` first",
            )
    alone = Operon(
        operon.head.model_copy(update={"requires": ()}), operon.text, operon.tokens, operon.tests
    )
    if failures := failed_tests(alone, Matcher((alone,))):
        raise MesoError(
            "operon.fails_its_tests",
            f"{operon.head.name} fails its own tests: {failures[0]}",
            status=409,
            hint="its author can publish a newer version",
        )


def addition(  # noqa: PLR0913, PLR0917 - each is a part of what is shown
    action: wire.Action, entry: Entry, files: Files, operon: Operon, now: Here, lazy: bool
) -> Step:
    """Put an operon of the registry here, or approve it."""
    name = entry.head.name
    old = frozenset(now.operon.head.capabilities) if now.operon else frozenset()
    warnings = []
    if now.origin == "generation":
        warnings.append("it hides the operon of that name in the generation")
    if now.edited:
        warnings.append("local edits are replaced; `meso operon undo` brings them back")
    if lazy:
        warnings.append("its text is fetched when it is called for; without the registry it is not")
    shown = _plan(
        action=action,
        name=name,
        from_version=now.operon.head.version if now.operon else None,
        to_version=entry.head.version,
        origin="lazy" if lazy else "registry",
        capabilities=tuple(
            wire.Capability(name=c, new=c not in old) for c in operon.head.capabilities
        ),
        triggers=OperonTriggers.model_validate(operon.head.triggers.model_dump()),
        requires=operon.head.requires,
        tokens=operon.tokens,
        diff=diff(now.files, files),
        warnings=tuple(warnings),
    )
    record = entry.model_dump_json(indent=1).encode() + b"\n"
    if lazy:
        return Step(shown, lazy_place(name), {"": record})
    return Step(shown, name, {**files, ORIGIN: record})


def removal(name: str, now: Here) -> Step:
    """Take an operon of the instance away."""
    shown = _plan(
        action="remove",
        name=name,
        from_version=now.operon.head.version if now.operon else None,
        to_version=None,
        origin=None,
        capabilities=(),
        triggers=None,
        requires=(),
        tokens=0,
        diff=diff(now.files, {}),
        warnings=(),
    )
    return Step(shown, lazy_place(name) if now.origin == "lazy" else name, None)


def lazy_place(name: str) -> str:
    """Where the approval of a lazy operon lies."""
    return f"{LAZY}/{name}.json"


def undoing(name: str, what: str, before: Files, after: Files) -> wire.ChangePlan:
    """Put back what the last change replaced."""
    return _plan(
        action="undo",
        name=name,
        from_version=None,
        to_version=None,
        origin=None,
        capabilities=(),
        triggers=None,
        requires=(),
        tokens=0,
        diff=diff(before, after),
        warnings=(f"undoes: {what}",),
    )


def diff(old: Files, new: Files) -> str:
    """Unified diff of all files, bounded; control characters cannot play with the terminal."""
    pieces: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        if name.startswith("."):
            continue
        before, after = (_lines(files.get(name)) for files in (old, new))
        labels = (f"a/{name}" if name in old else "none", f"b/{name}" if name in new else "none")
        pieces += difflib.unified_diff(before, after, *labels, lineterm="")
    text = "\n".join(pieces)
    return text if len(text) <= MAX_DIFF else text[:MAX_DIFF] + "\n… (the diff is longer)"


def _lines(raw: bytes | None) -> list[str]:
    text = (raw or b"").decode(errors="replace")
    shown = "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)
    return shown.splitlines()


def _plan(**fields: object) -> wire.ChangePlan:
    made = wire.ChangePlan.model_validate({**fields, "plan": "0" * 64})
    text = json.dumps(made.model_dump(mode="json", exclude={"plan"}), sort_keys=True)
    return made.model_copy(update={"plan": hashlib.sha256(text.encode()).hexdigest()})
