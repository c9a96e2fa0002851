"""What is asked of memory, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from meso_cli.output import CliError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365.25 * 86400.0}


@dataclass(frozen=True, slots=True)
class Write:
    """A memory to keep; the text `-` is standard input. With `path`, what stands there."""

    text: str
    source: str | None
    tags: tuple[str, ...]
    path: str | None = None
    append: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Words to look for, and what is left out."""

    words: str
    limit: int
    since: str | None = None
    until: str | None = None
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    use: bool = True


@dataclass(frozen=True, slots=True)
class Related:
    """What goes with a memory, with a session's conversation, or with a text."""

    memory: str | None
    session: str | None
    text: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Show:
    """One memory, by its id or its path."""

    memory: str
    use: bool = True


@dataclass(frozen=True, slots=True)
class List:
    """Memories, or the forgotten ones."""

    source: str | None
    tag: str | None
    forgotten: bool


@dataclass(frozen=True, slots=True)
class Named:
    """`what` (why, history, unforget) of one memory."""

    what: str
    memory: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Hide a memory, or with `purge` remove it for good; `yes` does not ask."""

    memory: str
    reason: str
    purge: bool
    yes: bool


@dataclass(frozen=True, slots=True)
class Fade:
    """Archive what is older than `age` seconds, unused and weaker than `below`."""

    age: float
    below: float
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Check:
    """Which memories contradict one, by a model's word."""

    memory: str
    model: str


@dataclass(frozen=True, slots=True)
class Revert:
    """To what a memory said at a commit."""

    memory: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Reindex:
    """Build the indexes anew."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Exchange memories with another repository."""

    remote: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Themes:
    """What memories are about."""


@dataclass(frozen=True, slots=True)
class Map:
    """The landscape as a file: PNG, or HTML by its ending."""

    target: str
    quick: bool


Request = (
    Write | Search | Related | Show | List | Named | Forget | Fade | Revert | Reindex | Stats
    | Sync | Themes | Map | Check
)  # fmt: skip


def seconds(text: str) -> float:
    """`30d` as seconds. Raises CliError."""
    number, unit = (text[:-1], text[-1]) if text and text[-1] in _UNITS else (text, "d")
    try:
        found = float(number) * _UNITS[unit]
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1e10:
        raise CliError("cli.bad_age", f"{text!r} is no age.", hint="Such as 90d, 12w or 1y.")
    return found
