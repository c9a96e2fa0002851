"""The truth: one markdown file a memory, readable and editable by a person.

The service writes `YYYY/MM/ID.md`. A file may lie anywhere below the directory and may have
been written by hand, with or without front matter. Names that begin with a dot, and symbolic
links, are not memories.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meso_services.files import front_matter
from meso_services.files.strict_yaml import DocumentError
from meso_services.runtime import durable

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ID_LENGTH = 64


@dataclass(frozen=True)
class Stamp:
    """What tells that a file may have changed without reading it."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Entry:
    """A memory as its file says it. `path` is relative to the memory directory.

    `problem` is empty, or says what is wrong with the file; its text is used all the same.
    """

    id: str
    path: str
    created: str | None
    source: str | None
    tags: tuple[str, ...]
    content: str
    sha256: str
    problem: str = ""


@dataclass(frozen=True)
class MemoryFiles:
    """The memory directory."""

    directory: Path
    max_bytes: int

    def write(self, content: str, source: str, tags: tuple[str, ...]) -> Entry:
        """Write a new memory durably. Raises OSError."""
        now = datetime.now(UTC)
        name = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        path = Path(f"{now:%Y}") / f"{now:%m}" / f"{name}.md"
        head = {
            "id": name,
            "created": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "source": source,
            "tags": list(tags),
        }
        raw = front_matter.join(head, content.strip("\n"))
        durable.make_directories(self.directory / path.parent)
        durable.write(self.directory / path, raw, replace=False)
        return _entry(path.as_posix(), raw)

    def read(self, path: str) -> Entry:
        """Read one memory. Raises OSError, and DocumentError for what is no text."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self.directory / path, flags), "rb") as file:
            # The front matter is not counted; 16 K is more than it can need.
            limit = self.max_bytes + 16 * 1024
            raw = file.read(limit + 1)
        if len(raw) > limit:
            problem = f"is larger than {self.max_bytes} bytes (services.memory_manager.content_max)"
            raise DocumentError(path, "", problem)
        return _entry(path, raw)

    def scan(self) -> Iterator[tuple[str, Stamp]]:
        """Every memory's path and stamp, in no order."""
        yield from _scan(self.directory, "")


def fingerprint(content: str, source: str | None, tags: tuple[str, ...]) -> str:
    """Equal for memories that say the same: text, source and tags."""
    parts = [content.strip(), source or "", *sorted(tags)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _scan(directory: Path, prefix: str) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed meanwhile
                continue
            if stat.S_ISDIR(found.st_mode):
                yield from _scan(directory / entry.name, f"{prefix}{entry.name}/")
            elif stat.S_ISREG(found.st_mode) and entry.name.endswith(".md"):
                stamp = Stamp(found.st_size, found.st_mtime_ns, found.st_ino)
                # A name that is not UTF-8 cannot be a path of ours; escaped, it is reported.
                name = entry.name.encode("utf-8", "backslashreplace").decode()
                yield f"{prefix}{name}", stamp


def _entry(path: str, raw: bytes) -> Entry:
    digest = hashlib.sha256(raw).hexdigest()
    try:
        document = front_matter.split(raw, path)
    except DocumentError as error:
        # A slip in the front matter must not make the memory unfindable.
        text = front_matter.decode(raw, path)
        return Entry(_id_of(path), path, None, None, (), text, digest, str(error))
    return _described(path, digest, document.head or {}, document.body)


def _described(path: str, digest: str, head: Any, content: str) -> Entry:
    problems = []
    name, created, source, tags = (head.get(key) for key in ("id", "created", "source", "tags"))
    if name is not None and not _usable_id(name):
        problems.append("id: must be lower-case letters, digits and hyphens")
        name = None
    for key, value in (("created", created), ("source", source)):
        if value is not None and not isinstance(value, str):
            problems.append(f"{key}: must be text")
    if tags is not None and not _is_list_of_text(tags):
        problems.append("tags: must be a list of words")
        tags = None
    return Entry(
        id=name or _id_of(path),
        path=path,
        created=created if isinstance(created, str) else None,
        source=source if isinstance(source, str) else None,
        tags=tuple(tags or ()),
        content=content,
        sha256=digest,
        problem=f"{path}: {'; '.join(problems)}" if problems else "",
    )


def _usable_id(name: object) -> bool:
    return isinstance(name, str) and len(name) <= _ID_LENGTH and bool(_ID.fullmatch(name))


def _is_list_of_text(tags: object) -> bool:
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def _id_of(path: str) -> str:
    """The id of a file that gives none: from its place, so that it stays the same."""
    digest = hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()
    return f"file-{digest[:16]}"
