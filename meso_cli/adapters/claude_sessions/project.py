"""One project of Claude Code: its sessions, and what we remember of them.

What we remember (names of branches, checkpoints) lies beside its projects, in `meso/` of its
configuration directory. Its own files are read, copied and never written to.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError
from meso_services.transcripts import claude_layout as layout
from meso_services.transcripts.claude_scan import Scan, scan
from meso_services.transcripts.lines import read_file

FORMAT = 1
MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass
class Branch:
    """A name for a session. `earlier` are the sessions that had the name before a merge."""

    session: str
    begun_from: str | None = None
    at: str | None = None
    made: str = ""
    earlier: list[str] = field(default_factory=list)


@dataclass
class Checkpoint:
    """A copy of a session's files. `files` maps a path in it to the SHA-256 of its content."""

    session: str
    branch: str
    label: str
    note: str
    leaf: str | None
    turns: int
    made: str
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Memory:
    """What we remember of a project."""

    head: str | None = None
    branches: dict[str, Branch] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def name_of(self, session: str) -> str | None:
        """The branch that a session is now."""
        return next((n for n, b in self.branches.items() if b.session == session), None)


class Project:
    """A project's folder. Raises `claude.*` where something is not as it must be."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        config = layout.config_directory(environment)
        self.directory = directory
        self.folder = layout.project_folder(config, directory)
        self.own = config / "meso" / self.folder.name
        self._file = self.own / "sessions.json"

    def load(self) -> Memory:
        """What we remember; nothing at first."""
        try:
            found = json.loads(self._file.read_bytes())
            if found["format"] != FORMAT:
                raise _damaged(self._file, f"its format is {found['format']}")
            return Memory(
                head=found["head"],
                branches={n: Branch(**b) for n, b in found["branches"].items()},
                checkpoints={i: Checkpoint(**c) for i, c in found["checkpoints"].items()},
            )
        except FileNotFoundError:
            return Memory()
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise _damaged(self._file, str(problem)) from problem

    @contextmanager
    def change(self, *, keep: bool = True) -> Iterator[Memory]:
        """What we remember, to be changed; kept when the block ends well. One at a time."""
        if not keep:
            yield self.load()
            return
        durable.make_directories(self.own, mode=0o700)
        handle = os.open(self.own / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            memory = self.load()
            yield memory
            document: dict[str, Any] = {"format": FORMAT, **asdict(memory)}
            text = json.dumps(document, indent=1, ensure_ascii=False)
            durable.write(self._file, text.encode(), mode=0o600)
        finally:
            os.close(handle)

    def path(self, session: str) -> Path:
        """A session's file. Raises `claude.no_session`."""
        path = self.folder / f"{session}.jsonl"
        if not layout.is_session_id(session) or not path.is_file() or path.is_symlink():
            raise MesoError(
                "claude.no_session",
                f"there is no session {session} in {self.folder}",
                status=404,
                hint="`meso adapter claude-code list` shows the sessions of this project; "
                "Claude Code deletes old ones by itself, a checkpoint stays",
            )
        return path

    def current(self, memory: Memory, asked: str | None) -> str:
        """The session that is meant: a branch's name, an id, or the one worked on last."""
        if asked is not None:
            return memory.branches[asked].session if asked in memory.branches else asked
        newest = next(layout.sessions(self.folder), None)
        if newest is None:
            raise MesoError("claude.no_session", f"{self.folder} has no session", status=404,
                            hint="talk to Claude Code in this project first")  # fmt: skip
        return newest.stem

    def scan(self, session: str) -> Scan:
        """A session's records. Raises `claude.no_session`, `claude.empty`."""
        found = scan(read_file(self.path(session)))
        if found.leaf() is None:
            raise MesoError("claude.empty", f"session {session} has no message", status=409,
                            hint="say something in it first")  # fmt: skip
        return found


def check_name(memory: Memory, name: str) -> None:
    """Raises `claude.bad_name`, `claude.branch_exists`."""
    if not _NAME.fullmatch(name) or layout.is_session_id(name):
        raise MesoError("claude.bad_name", f"{name!r} cannot name a branch", status=422,
                        hint="letters, digits, dots, dashes and underscores")  # fmt: skip
    if name in memory.branches:
        raise MesoError(
            "claude.branch_exists",
            f"there is a branch {name}: session {memory.branches[name].session}",
            status=409,
            hint="take another name, or `drop` that one: its session stays",
        )


def _damaged(path: Path, why: str) -> MesoError:
    return MesoError(
        "claude.memory_damaged",
        f"{path} cannot be read: {why}",
        status=500,
        hint="move it away: the sessions are not in it, only the names of branches",
    )
