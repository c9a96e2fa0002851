"""What can be asked of `meso tool`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace to make."""

    session: str
    branch: str


@dataclass(frozen=True, slots=True)
class Read:
    """Lines to read; `offset` counts from 1."""

    session: str
    branch: str
    path: str
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call to make."""

    session: str
    branch: str
    tool: str
    params: dict[str, Any]
    background: bool
    seconds: int | None


@dataclass(frozen=True, slots=True)
class List:
    """The tools there are."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that run and the latest that ended."""

    session: str | None


@dataclass(frozen=True, slots=True)
class Follow:
    """A call's output from its beginning."""

    call: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A call to stop."""

    call: str


@dataclass(frozen=True, slots=True)
class New:
    """A custom tool to begin."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Test:
    """A custom tool to test."""

    folder: Path


Request = Workspace | Read | Call | List | Calls | Follow | Cancel | New | Test
