"""The truth: one markdown file a memory, readable and editable by a person.

The service writes `YYYY/MM/ID.md`. A file may lie anywhere below the directory and may have
been written by hand, with or without front matter. Names that begin with a dot, and symbolic
links, are not memories. What is forgotten lies below `archive/`, readable like the others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meso_services.files import front_matter
from meso_services.files.strict_yaml import DocumentError
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError

ARCHIVE = "archive/"
# Front matter is not counted as content; this is more than it can need.
HEAD_BYTES = 16 * 1024
MOST_ALSO = 50
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
    `head` is the front matter, with keys that are not ours.
    """

    id: str
    path: str
    created: str | None
    source: str | None
    tags: tuple[str, ...]
    content: str
    sha256: str
    problem: str = ""
    head: Mapping[str, Any] = field(default_factory=dict, compare=False)
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def archived(self) -> bool:
        """True for what is forgotten."""
        return self.path.startswith(ARCHIVE)

    @property
    def title(self) -> str:
        """The first line of text, as a heading or the beginning of a sentence."""
        lines = (one.strip("#*-> \t") for one in self.content.splitlines())
        return next((one for one in lines if one), self.id)[:120]

    @property
    def also(self) -> tuple[dict[str, str], ...]:
        """Where else it came from: the same was written again, by whom and when."""
        found = self.head.get("also")
        return tuple(
            {key: value for key, value in one.items() if isinstance(value, str)}
            for one in (found if isinstance(found, list) else ())
            if isinstance(one, dict)
        )

    @property
    def born(self) -> float | None:
        """`created` in Unix seconds, if it is a time."""
        try:
            moment = datetime.fromisoformat(self.created or "")
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class MemoryFiles:
    """The memory directory."""

    directory: Path
    max_bytes: int

    def write(self, content: str, source: str, tags: tuple[str, ...]) -> Entry:
        """Write a new memory durably. Raises OSError."""
        head = new_head(source, tags)
        created = str(head["created"])
        return self.put(f"{created[:4]}/{created[5:7]}/{head['id']}.md", head, content, new=True)

    def put(self, path: str, head: Mapping[str, Any], content: str, *, new: bool = False) -> Entry:
        """Write a memory durably at `path`; afterwards the old or the new file is there.

        Raises OSError, FileExistsError if it is `new` and there is one, and `memory.link`.
        """
        raw = front_matter.join(head, content.strip("\n"))
        return self.put_raw(path, raw, new=new)

    def put_raw(self, path: str, raw: bytes, *, new: bool = False) -> Entry:
        """The same for a file's bytes."""
        self._no_links(path)
        target = self.directory / path
        durable.make_directories(target.parent, below=self.directory)
        durable.write(target, raw, replace=not new)
        return _entry(path, raw)

    def move(self, path: str, to: str) -> None:
        """Rename a memory durably. Raises OSError, FileExistsError."""
        self._no_links(path)
        self._no_links(to)
        target = self.directory / to
        if target.exists():
            raise FileExistsError(17, "there is a file already", str(target))
        durable.make_directories(target.parent, below=self.directory)
        durable.move(self.directory / path, target)

    def remove(self, path: str) -> None:
        """Remove a memory durably. Raises OSError."""
        self._no_links(path)
        with contextlib.suppress(FileNotFoundError):
            durable.remove(self.directory / path)

    def read(self, path: str) -> Entry:
        """Read one memory. Raises OSError, and DocumentError for what is no text."""
        self._no_links(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self.directory / path, flags), "rb") as file:
            limit = self.max_bytes + HEAD_BYTES
            raw = file.read(limit + 1)
        if len(raw) > limit:
            problem = f"is larger than {self.max_bytes} bytes (services.memory_manager.content_max)"
            raise DocumentError(path, "", problem)
        return _entry(path, raw)

    def _no_links(self, path: str) -> None:
        """No part of a path may lead elsewhere."""
        place = self.directory
        for part in Path(path).parts[:-1]:
            place = place / part
            if place.is_symlink():
                raise MesoError(
                    "memory.link", f"{path}: {part} is a symbolic link, which memory never follows",
                    status=422, hint="put the file itself there",
                )  # fmt: skip

    def scan(self) -> Iterator[tuple[str, Stamp]]:
        """Every memory's path and stamp, in no order."""
        yield from _scan(self.directory, "")


def new_head(source: str, tags: tuple[str, ...]) -> dict[str, Any]:
    """The front matter of a new memory."""
    now = datetime.now(UTC)
    return {
        "id": f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        "created": stamp_of(now),
        "source": source,
        "tags": list(tags),
    }


def stamp_of(moment: datetime) -> str:
    """A time as front matter has it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def whereabouts(path: str) -> tuple[str, str]:
    """The two places of one memory: in use, and forgotten."""
    living = path.removeprefix(ARCHIVE)
    return living, ARCHIVE + living


def blob_of(raw: bytes) -> str:
    """What git calls these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


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
        return Entry(_id_of(path), path, None, None, (), text, digest, str(error), raw=raw)
    return _described(path, digest, document.head or {}, document.body, raw)


def entry_of(path: str, raw: bytes) -> Entry:
    """A file's bytes as a memory. Raises DocumentError for what is no text."""
    return _entry(path, raw)


def _described(path: str, digest: str, head: Any, content: str, raw: bytes) -> Entry:
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
        head=head,
        raw=raw,
    )


def _usable_id(name: object) -> bool:
    return isinstance(name, str) and len(name) <= _ID_LENGTH and bool(_ID.fullmatch(name))


def _is_list_of_text(tags: object) -> bool:
    return isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)


def _id_of(path: str) -> str:
    """The id of a file that gives none: from its place, so that it stays the same."""
    # In the archive it keeps the name that it had.
    place = path.removeprefix(ARCHIVE)
    digest = hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()
    return f"file-{digest[:16]}"
