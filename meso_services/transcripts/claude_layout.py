"""Where Claude Code keeps its transcripts: one folder a project, one file a session."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from meso_services.runtime.errors import MesoError

# Longer names of folders are cut here, and a hash follows that differs between its versions.
MOST_NAME = 200
_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_OTHER = re.compile("[^A-Za-z0-9]")


def config_directory(environment: Mapping[str, str]) -> Path:
    """`CLAUDE_CONFIG_DIR`, else `~/.claude`, as the client itself takes it."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    chosen = given or str(Path(environment.get("HOME") or Path.home()) / ".claude")
    return Path(unicodedata.normalize("NFC", chosen))


def project_name(directory: Path) -> str:
    """The name of a project's folder; for a long path only its first 200 characters."""
    real = unicodedata.normalize("NFC", os.path.realpath(directory))
    return _OTHER.sub("-", real)[:MOST_NAME]


def project_folder(config: Path, directory: Path) -> Path:
    """The folder of the sessions of a project's directory. Raises `claude.no_project`."""
    projects = config / "projects"
    name = project_name(directory)
    if len(name) < MOST_NAME:
        found = [projects / name]
    else:
        found = [*projects.glob(f"{name}-*"), projects / name] if projects.is_dir() else []
    for folder in found:
        if folder.is_dir():
            return folder
    raise MesoError(
        "claude.no_project",
        f"Claude Code has no sessions of {directory} below {projects}",
        status=404,
        hint="run it in the project's own directory, or name that with --project; "
        "CLAUDE_CONFIG_DIR says where Claude Code keeps them",
    )


def sessions(folder: Path) -> Iterator[Path]:
    """The files of a project's sessions, newest first."""
    found = [
        path
        for path in folder.glob("*.jsonl")
        if _ID.fullmatch(path.stem) and path.is_file() and not path.is_symlink()
    ]
    yield from sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def is_session_id(text: str) -> bool:
    """True for the only kind of id that the client resumes: a UUID."""
    return _ID.fullmatch(text) is not None


def beside(path: Path) -> Path:
    """The directory of a session's further files: `subagents/`, `tool-results/`."""
    return path.with_suffix("")
