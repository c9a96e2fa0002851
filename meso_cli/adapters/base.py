"""What an adapter is, and the pieces that it may put into a directory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from meso_services.prompt.who import Who


class Capability(StrEnum):
    """What MESO's protocol asks of a platform."""

    IDENTITY = "identity"
    OPERONS = "operons"
    TOOLS = "tools"
    CUSTOM_TOOLS = "custom tools"
    MEMORY = "memory"
    TASKS = "tasks"
    SESSIONS = "sessions"
    BRANCHING = "branching"
    MERGING = "merging"
    CHECKPOINTS = "checkpoints"
    COMPACTION = "compaction"
    POLICY = "policy and audit"


class Level(StrEnum):
    """How a platform has it: by itself, by our adapter, only through the appliance, or not."""

    NATIVE = "native"
    ADAPTER = "adapter"
    APPLIANCE = "appliance"
    NONE = "none"


@dataclass(frozen=True)
class Support:
    """One cell of the matrix. `how` says by what, and for the last two what falls back how."""

    level: Level
    how: str


@dataclass(frozen=True)
class Source:
    """What is installed: the identity, and the appliance whose tools are offered (or none).

    `login` is the command line that logs in on `host`.
    """

    who: Who
    host: str | None = None
    login: tuple[str, ...] = ()

    def ssh(self, *words: str) -> list[str]:
        """The command line that runs `meso WORDS` on the appliance."""
        return [*self.login, "meso", *words]

    def ssh_line(self, *words: str) -> str:
        """The same for a shell."""
        return shlex.join(self.ssh(*words))


@dataclass(frozen=True)
class Whole:
    """A file that is ours alone. One that is there already is never taken over."""

    path: str
    text: str


@dataclass(frozen=True)
class Block:
    """A marked block at the end of a text file that may be the user's."""

    path: str
    text: str


@dataclass(frozen=True)
class Member:
    """A member of an object (`key`), or an item of an array (no key), in a JSON file."""

    path: str
    container: tuple[str, ...]
    value: Any
    key: str | None = None


Piece = Whole | Block | Member


class Adapter(Protocol):
    """One platform."""

    @property
    def name(self) -> str:
        """As the operator types it."""

    @property
    def capabilities(self) -> Mapping[Capability, Support]:
        """Every capability, each with how it is had."""

    def pieces(self, source: Source) -> tuple[Piece, ...]:
        """What to put where. Equal sources give equal pieces."""

    def missing(self, source: Source) -> tuple[str, ...]:
        """What of the identity or the tools this installation cannot have, and why."""
