"""The instance's own operons: folders in `/meso/operons`, and approvals of lazy ones.

`NAME/` is an operon's folder. `NAME/.origin.json` says that it came from the registry (a
name with a dot is no part of the identity). `.lazy/NAME.json` approves an operon whose
text stays in the registry until it is called for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from meso_services.contract.identity_hash import IdentityError
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome import bundle
from meso_services.genome.layers import OwnOperon
from meso_services.genome.models import NO_TESTS, Operon, Origin, Problem
from meso_services.genome.triggers import check_triggers
from meso_services.registry.listing import Entry

LAZY, ORIGIN = ".lazy", ".origin.json"


def read_own(directory: Path) -> tuple[tuple[OwnOperon, ...], tuple[Problem, ...]]:
    """All operons of the instance; what cannot be one becomes a problem. Raises OSError."""
    operons: list[OwnOperon] = []
    problems: list[Problem] = []
    for place in _entries(directory, problems):
        try:
            operons.append(_folder(place))
        except (DocumentError, IdentityError, OSError) as error:
            problems.append(_problem(place, error))
    for pin in pins(directory, problems):
        operons.append(lazy(pin))
    return tuple(operons), tuple(problems)


def pins(directory: Path, problems: list[Problem]) -> Iterator[Entry]:
    """The approvals of lazy operons."""
    place = directory / LAZY
    for path in sorted(place.glob("*.json")) if place.is_dir() else ():
        try:
            entry = Entry.model_validate_json(path.read_bytes())
            check_triggers(str(path), entry.head)
        except (ValidationError, DocumentError, OSError) as error:
            problems.append(_problem(path, error))
        else:
            yield entry


def lazy(entry: Entry) -> OwnOperon:
    """An operon that is known by its approval alone; its text is not here."""
    return OwnOperon(Operon(entry.head, "", entry.tokens, NO_TESTS), "lazy", entry.files)


def _folder(place: Path) -> OwnOperon:
    files = bundle.read_folder(place)
    operon = bundle.operon(place.name, files, str(place))
    origin: Origin = "registry" if (place / ORIGIN).is_file() else "instance"
    return OwnOperon(operon, origin, bundle.digests(files))


def _entries(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    for entry in sorted(os.scandir(directory), key=lambda e: e.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        else:
            where = f"operons/{entry.name!r}"[:200]
            problems.append(Problem(where, "", "only one folder an operon belongs here"))


def _problem(place: Path, error: Exception) -> Problem:
    match error:
        case DocumentError(where=where, key=key, problem=problem):
            return Problem(where, key, problem)
        case OSError():
            return Problem(f"{place}"[:300], "", error.strerror or str(error))
        case _:
            return Problem(f"{place}"[:300], "", str(error).partition("\n")[0])
