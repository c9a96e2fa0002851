"""Which mind is meant: the named one, MESO_MIND, or the one that was opened last."""

from __future__ import annotations

import os
from pathlib import Path

from meso_cli.output import CliError


def _place() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "meso/mind"


def remember(session: str) -> None:
    """Make it the current one."""
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{session}\n", encoding="utf-8")


def find(named: str | None) -> str:
    """The mind that is meant. Raises CliError without one."""
    given = named or os.environ.get("MESO_MIND")
    if given:
        return given
    try:
        return _place().read_text(encoding="utf-8").strip()
    except OSError:
        raise CliError(
            "mind.none_open",
            "no mind is open.",
            hint="`mind init DIR` makes one, `mind open DIR` opens one; or use --session DIR.",
        ) from None
