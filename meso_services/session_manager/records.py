"""What the session manager itself writes into a session: entries of Pi's type `custom`.

Such an entry hangs on the tip of its branch like any other, so every program that reads version 3
files walks over it. Its `customType` begins with `meso.`, which no caller may append.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "meso."
BRANCH = "meso.branch"  # {name, at, switch}: a branch begins
HEAD = "meso.head"  # {branch}: the branch that is worked on
RENAME = "meso.rename"  # {from, to}
DROP = "meso.drop"  # {branch}: the name goes, the entries stay
RESET = "meso.reset"  # {from, to, why}: the branch goes on at another entry
NOTE = "meso.note"  # {targetId, text}
STATE = "meso.state"  # {set, unset}: the session's variables
STASH = "meso.stash"  # {tip, base, note}: entries set aside
UNSTASH = "meso.unstash"  # {stash}: taken back, or thrown away
MERGE = "meso.merge"  # {source, target, base, ours, theirs, strategy, …}
PICK = "meso.pick"  # {from}: cherry-picked entries end here
REBASE = "meso.rebase"  # {onto, from, base}
CHECKPOINT = "meso.checkpoint"  # {checkpoint, name}
RESTORE = "meso.restore"  # {checkpoint, token, from, keep, set, unset}
HANDOFF = "meso.handoff"  # {note, checkpoint}
PICKUP = "meso.pickup"  # {handoff}


def data(kind: str, /, **facts: Any) -> dict[str, Any]:
    """The data of an entry of this kind."""
    return {"customType": kind, "data": facts}


def kind_of(entry_type: str, entry_data: Mapping[str, Any]) -> str | None:
    """The record's kind, or None for an entry that is none of ours."""
    kind = entry_data.get("customType") if entry_type == "custom" else None
    return kind if isinstance(kind, str) and kind.startswith(PREFIX) else None


def facts(entry_data: Mapping[str, Any]) -> dict[str, Any]:
    """What the record says; an empty object if another program spoiled it."""
    found = entry_data.get("data")
    return found if isinstance(found, dict) else {}
