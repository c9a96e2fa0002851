"""Whether every trigger of an operon can be read; the first that cannot is named by its key."""

from __future__ import annotations

from collections.abc import Callable

from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.globs import compile_glob
from meso_services.genome.models import OperonHead
from meso_services.genome.pattern import PatternError, compile_pattern
from meso_services.genome.times import TimeError, parse_time
from meso_services.genome.words import WordError, parse_word


def _tool(name: str) -> None:
    if not name.strip("*") or "*" in name[:-1] or any(c.isspace() for c in name):
        raise WordError("a tool's name without spaces; `*` only at its end")


_READERS: dict[str, Callable[[str], object]] = {
    "words": parse_word,
    "patterns": compile_pattern,
    "files": compile_glob,
    "tools": _tool,
    "tasks": parse_word,
    "times": parse_time,
}


def check_triggers(where: str, head: OperonHead) -> None:
    """Raises DocumentError for an operon without triggers, or with one that is not accepted."""
    for kind, read in _READERS.items():
        for number, trigger in enumerate(getattr(head.triggers, kind)):
            try:
                read(trigger)
            except (WordError, PatternError, TimeError) as error:
                key = f"triggers.{kind}.{number}"
                raise DocumentError(where, key, f"{trigger!r}: {error}") from None
    if not any(getattr(head.triggers, kind) for kind in (*_READERS, "similar")):
        raise DocumentError(where, "triggers", f"needs at least one of {', '.join(_READERS)}")
