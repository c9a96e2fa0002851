"""What `meso session import` was pointed at: one transcript or many."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from meso_cli.output import CliError
from meso_services.transcripts import bundle, claude_layout, goose_database

SQLITE = b"SQLite format 3\0"
MOST_FILES = 10_000


@dataclass(frozen=True)
class Found:
    """A transcript: what it is called, and its bytes, read when they are needed."""

    name: str
    content: Callable[[], Iterator[bytes]]


def found_in(path: str, only: str | None) -> list[Found]:
    """The transcripts that `path` names. Raises CliError."""
    if path == "-":
        return [Found("-", lambda: iter(lambda: sys.stdin.buffer.read(1 << 20), b""))]
    place = Path(path)
    if place.is_dir():
        files = sorted(one for one in place.glob("*.json*") if one.is_file())
        chosen = [one for one in files if only is None or only in one.name]
        if not chosen:
            raise CliError("cli.nothing_found", f"{place} holds no transcript"
                           + (f" of {only}." if only else "."),
                           hint="Transcripts end in .jsonl or .json.")  # fmt: skip
        return [Found(str(one), partial(_file, one)) for one in chosen]
    try:
        with place.open("rb") as source:
            beginning = source.read(len(SQLITE))
    except OSError as error:
        raise CliError("cli.file_unreadable", f"{place}: {error.strerror}.") from error
    if beginning == SQLITE:
        return _database(place, only)
    return [Found(str(place), partial(_file, place))]


def _file(path: Path) -> Iterator[bytes]:
    """A transcript, with the further files that Claude Code keeps beside its own."""
    last = b"\n"
    try:
        with path.open("rb") as source:
            while piece := source.read(1 << 20):
                last = piece[-1:]
                yield piece
        place = claude_layout.beside(path)
        if path.suffix == ".jsonl" and claude_layout.is_session_id(path.stem) and place.is_dir():
            if last != b"\n":
                yield b"\n"
            yield from _beside(place)
    except OSError as error:
        raise CliError("cli.file_unreadable", f"{path}: {error.strerror}.") from error


def _beside(place: Path) -> Iterator[bytes]:
    files = [one for one in sorted(place.rglob("*")) if one.is_file() and not one.is_symlink()]
    if len(files) > MOST_FILES:
        raise CliError("cli.too_many_files", f"{place} has {len(files)} files.")
    for one in files:
        name = one.relative_to(place).as_posix()
        if one.suffix == ".jsonl":
            yield bundle.mark(name)
            content = one.read_bytes()
            yield content if content.endswith(b"\n") or not content else content + b"\n"
            continue
        content = one.read_bytes()
        if not bundle.fits(content):
            raise CliError("cli.file_too_large", f"{one} is too large to be carried.")
        yield bundle.mark(name, content)


def _database(path: Path, only: str | None) -> list[Found]:
    """Every session in a database of Goose, which is opened to be read only."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            idents = goose_database.sessions(database)
    except sqlite3.Error as error:
        hint = "Goose keeps sessions.db with its -wal file beside it."
        raise CliError("cli.file_unreadable", f"{path}: {error}.", hint=hint) from error
    chosen = [ident for ident in idents if only in (None, ident)]
    if not chosen:
        raise CliError("cli.nothing_found", f"{path} has no session{f' {only}' if only else ''}.")

    def content(ident: str) -> Iterator[bytes]:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            yield goose_database.document(database, ident)

    return [Found(f"{path}:{ident}", partial(content, ident)) for ident in chosen]
