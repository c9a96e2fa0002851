"""An entry of ours as the JSON object of its line, and what every importer checks in it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from meso_services.transcripts.lines import Record

MAX_ID = 256
OWN = "meso"
BRANCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What of `meso` in a line means the same in another file.
KEPT = ("branch", "merged", "copy", "pending")
# Records of the service itself, and which of their facts are texts, or names of branches.
_TEXTS = {
    "meso.branch": ("name", "at"),
    "meso.rename": ("from", "to"),
    "meso.restore": ("from", "keep", "checkpoint"),
    "meso.stash": ("tip", "base", "note"),
    "meso.unstash": ("stash",),
    "meso.note": ("targetId", "text"),
    "meso.checkpoint": ("checkpoint", "name"),
}
_BRANCHES = {"meso.branch": "name", "meso.rename": "to", "meso.restore": "keep"}


def entry(
    kind: str, ident: str, parent: str | None, timestamp: str, data: Record, **own: Any
) -> Record:
    """A line of ours."""
    made = {"type": kind, "id": ident, "parentId": parent, "timestamp": timestamp, **data}
    return {**made, OWN: own} if own else made


def good_id(value: object) -> bool:
    """True for an id that can be asked for."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID:
        return False
    return good_text(value)


def good_text(value: object) -> bool:
    """True for a text without half characters, which no answer could carry."""
    return isinstance(value, str) and (
        value.isascii() or value == value.encode(errors="replace").decode()
    )


def made_id(*parts: object) -> str:
    """An id for what has none, or one that is taken: the same each time it is made."""
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="replace")).hexdigest()[:16]


def own_of(record: Record) -> Record:
    """What a line says under `meso` that may be believed of a file from elsewhere."""
    found = record.get(OWN)
    if not isinstance(found, dict):
        return {}
    kept: Record = {}
    if isinstance(found.get("branch"), str) and BRANCH_NAME.fullmatch(found["branch"]):
        kept["branch"] = found["branch"]
        if found.get("pending") is True:
            kept["pending"] = True
    merged = found.get("merged")
    if isinstance(merged, list) and all(good_id(one) for one in merged):
        kept["merged"] = merged
    if good_id(found.get("copy")):
        kept["copy"] = found["copy"]
    return kept


def sound_record(record: Record) -> bool:
    """False for a record of the service's own that says something of the wrong kind."""
    kind = record.get("customType")
    if record.get("type") != "custom" or not isinstance(kind, str):
        return True
    facts = record.get("data")
    if not kind.startswith("meso.") or not isinstance(facts, dict):
        return True
    if not all(isinstance(facts.get(name), str | None) for name in _TEXTS.get(kind, ())):
        return False
    if kind == "meso.stash" and facts.keys() - set(_TEXTS[kind]):
        return False
    name = facts.get(_BRANCHES.get(kind, ""))
    return not isinstance(name, str) or BRANCH_NAME.fullmatch(name) is not None
