"""What a registry says of its operons: one entry per version, signed as part of TUF's targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from meso_services.genome.models import OperonHead
from meso_services.genome.requires import number

SCHEMA = 1
_TARGET = re.compile(r"operons/([a-z0-9-]{1,64})/(v[1-9][0-9]{0,5})\.json")
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(BaseModel):
    """One version of an operon. `sha256` and `length` (bytes) are the target's, signed by TUF."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    head: OperonHead
    tokens: Annotated[int, Field(ge=1)]
    files: Annotated[dict[str, _Sha256], Field(min_length=2, max_length=200)]
    sha256: _Sha256
    length: Annotated[int, Field(ge=1)]

    @property
    def target(self) -> str:
        """Its path in the registry."""
        return target_path(self.head.name, self.head.version)


def target_path(name: str, version: str) -> str:
    """Where a version lies in a registry."""
    return f"operons/{name}/{version}.json"


def custom(entry: Entry) -> dict[str, Any]:
    """What goes into TUF's `custom` of the target."""
    said = entry.model_dump(mode="json", include={"head", "tokens", "files"}, exclude_defaults=True)
    return {"meso": {"schema": SCHEMA, **said}}


def entry(path: str, length: int, hashes: Mapping[str, str], said: Any) -> Entry | None:
    """The entry of a target, or None for one that is no operon of this schema.

    Raises ValueError when it says that it is one and is not.
    """
    found = _TARGET.fullmatch(path)
    ours = said.get("meso") if isinstance(said, dict) else None
    if found is None or not isinstance(ours, dict) or ours.get("schema") != SCHEMA:
        return None
    told = {key: ours.get(key) for key in ("head", "tokens", "files")}
    made = Entry.model_validate({**told, "sha256": hashes.get("sha256"), "length": length})
    if (made.head.name, made.head.version) != found.groups():
        raise ValueError(f"{path} says that it is {made.head.name} {made.head.version}")
    return made


def newest(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The newest version of each operon, by name."""
    found: dict[str, Entry] = {}
    for one in entries:
        known = found.get(one.head.name)
        if known is None or number(one.head.version) > number(known.head.version):
            found[one.head.name] = one
    return dict(sorted(found.items()))
