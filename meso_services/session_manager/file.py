"""One session's file: scanned once, repaired if torn, appended to durably, read by pages."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meso_services.contract.session import Entry, EntryPage, NewEntry, Session
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries
from meso_services.session_manager.entries import Line

PAGE_BYTES = 4 * 1024**2
_log = Log("meso.sessions")


@dataclass
class Index:
    """Where the entries are. Derived from the file; lost without harm."""

    offsets: list[int] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    leaf: Entry | None = None
    name: str | None = None
    size: int = 0
    damaged: int = 0

    def add(self, line: Line, offset: int) -> None:
        entry = line.entry
        if entry.id in self.places:
            # A second entry of the same id cannot be addressed; the first one counts.
            self.damaged += 1
            return
        self.places[entry.id] = len(self.offsets)
        self.offsets.append(offset)
        self.leaf = entry
        if line.key is not None:
            self.keys[line.key] = entry.id
        if entry.type == "session_info" and isinstance(entry.data.get("name"), str | None):
            self.name = entry.data["name"]


class SessionFile:
    """A session on disk. All methods may be called from any thread."""

    def __init__(self, path: Path, header: dict[str, Any], torn: Path) -> None:
        self.path = path
        self.id: str = header["id"]
        self._header = header
        self._torn = torn
        self._lock = threading.Lock()
        self._index: Index | None = None

    def describe(self) -> Session:
        """The session's facts."""
        with self._lock:
            index = self._current()
            created = entries.shown(self._header.get("timestamp", ""))
            parent = self._header.get("parentSession")
            return Session(
                id=self.id,
                name=None if index.name is None else entries.shown(index.name),
                cwd=entries.shown(self._header.get("cwd", "")),
                parent_session=entries.shown(parent) if isinstance(parent, str) else None,
                created_at=created,
                updated_at=index.leaf.timestamp if index.leaf else created,
                entries=len(index.offsets),
                leaf=index.leaf.id if index.leaf else None,
                size_bytes=index.size,
                damaged_lines=index.damaged,
            )

    def append(self, new: NewEntry, key: str | None) -> tuple[Entry, bool]:
        """Append and return the entry once the disk has it; and whether it was there before.

        The same `key` again returns the entry that it made. Raises MesoError `entry.*`,
        `idempotency.conflict` or `storage.*`; then nothing was appended.
        """
        entries.check_data(new.type, new.data)
        with self._lock:
            index = self._current()
            if key is not None and key in index.keys:
                return self._again(index, new, key), True
            line = Line(self._make(index, new), key)
            raw = entries.entry_line(line)
            try:
                offset = durable.append(self.path, raw)
            except OSError as problem:
                # What the file holds now is not known; the next use looks.
                self._index = None
                raise storage_error(problem, self.path) from problem
            index.add(line, offset)
            index.size = offset + len(raw)
            return line.entry, False

    def made_by(self, key: str) -> Entry | None:
        """The entry that was appended with this idempotency key."""
        with self._lock:
            index = self._current()
            ident = index.keys.get(key)
            return None if ident is None else self._read_at(index.offsets[index.places[ident]])

    def entry(self, ident: str) -> Entry:
        """One entry. Raises `entry.not_found`."""
        with self._lock:
            index = self._current()
            if ident not in index.places:
                raise _no_entry(self.id, ident)
            return self._read_at(index.offsets[index.places[ident]])

    def _again(self, index: Index, new: NewEntry, key: str) -> Entry:
        made = self._read_at(index.offsets[index.places[index.keys[key]]])
        same_parent = "parent_id" not in new.model_fields_set or new.parent_id == made.parent_id
        if (made.type, made.data) != (new.type, new.data) or not same_parent:
            raise MesoError(
                "idempotency.conflict",
                f"the idempotency key was used for another entry of session {self.id}",
                status=409,
                hint="use a new key for each new entry",
                detail={"entry": made.id},
            )
        return made

    def _make(self, index: Index, new: NewEntry) -> Entry:
        given = "parent_id" in new.model_fields_set
        leaf = index.leaf.id if index.leaf else None
        parent = new.parent_id if given else leaf
        self._check_known(index, "parent_id", parent)
        if new.type in entries.REQUIRED:
            for name in entries.REFERENCES:
                self._check_known(index, f"data.{name}", new.data.get(name))
        draft = Entry(
            id="", parent_id=parent, type=new.type, timestamp=entries.now(), data=new.data
        )
        made = (entries.content_id(draft, length) for length in entries.ID_LENGTHS)
        free = next(ident for ident in made if ident not in index.places)
        return draft.model_copy(update={"id": free})

    def _check_known(self, index: Index, key: str, ident: object) -> None:
        if ident is None or (isinstance(ident, str) and ident in index.places):
            return
        raise MesoError(
            "entry.unknown_reference",
            f"{key}: session {self.id} has no entry {ident}",
            status=422,
            hint="GET the session's entries to see their ids",
        )

    def page(self, after: str | None, limit: int) -> EntryPage:
        """Up to `limit` entries after the entry `after` (None: from the first one)."""
        with self._lock:
            index = self._current()
            first = 0
            if after is not None:
                if after not in index.places:
                    raise _no_entry(self.id, after)
                first = index.places[after] + 1
            offsets = index.offsets[first : first + limit]
            more = first + limit < len(index.offsets)
        found, whole = self._read_many(offsets)
        last = found[-1].id if found and (more or not whole) else None
        return EntryPage(entries=tuple(found), next=last)

    def _read_many(self, offsets: list[int]) -> tuple[list[Entry], bool]:
        found: list[Entry] = []
        with self.path.open("rb") as source:
            for offset in offsets:
                source.seek(offset)
                found.append(_entry_at(self.path, offset, source.readline()))
                if source.tell() - offsets[0] > PAGE_BYTES:
                    return found, len(found) == len(offsets)
        return found, True

    def _read_at(self, offset: int) -> Entry:
        return self._read_many([offset])[0][0]

    def _current(self) -> Index:
        """The index, brought up to date with a file that others may have changed."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            raise MesoError(
                "session.not_found", f"the file of session {self.id} is gone", status=404
            ) from None
        if self._index is None or self._index.size > size:
            self._index = Index()
        if self._index.size < size:
            self._scan(self._index)
        return self._index

    def _scan(self, index: Index) -> None:
        invalid: list[int] = []
        for offset, raw in _lines(self.path, index.size):
            line = entries.parse_entry(raw)
            if offset == 0:
                pass
            elif line is None:
                invalid.append(offset)
            else:
                # What came before a good line is damage in the middle, not a torn end.
                index.damaged += len(invalid)
                invalid.clear()
                index.add(line, offset)
            index.size = offset + len(raw)
            complete = raw.endswith(b"\n")
        if invalid:
            self._set_aside(index, invalid[0])
        elif not complete:
            index.size = durable.append(self.path, b"\n") + 1

    def _set_aside(self, index: Index, start: int) -> None:
        """Move a torn end into a file of its own, then cut it off. Nothing is thrown away."""
        with self.path.open("rb") as source:
            source.seek(start)
            torn = source.read()
        # The name is made of place and content: a second attempt after a crash is the same.
        digest = hashlib.sha256(torn).hexdigest()[:8]
        aside = self._torn / f"{self.path.name}.{start}-{digest}"
        try:
            durable.make_directories(self._torn)
            durable.write(aside, torn)
            durable.truncate(self.path, start)
        except OSError as problem:
            raise storage_error(problem, aside) from problem
        index.size = start
        _log.warning(
            "moved the unreadable end of a session aside",
            session=self.id,
            bytes=len(torn),
            kept_as=str(aside),
        )


def _lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as source:
        source.seek(start)
        offset = start
        for raw in source:
            yield offset, raw
            offset += len(raw)


def _entry_at(path: Path, offset: int, raw: bytes) -> Entry:
    line = entries.parse_entry(raw)
    if line is None:
        raise MesoError(
            "session.changed",
            f"{path} was changed by another program at byte {offset}",
            status=409,
            hint="ask again; the session is read anew",
        )
    return line.entry


def _no_entry(session: str, ident: str) -> MesoError:
    return MesoError("entry.not_found", f"session {session} has no entry {ident}", status=404)


def is_regular(path: Path) -> bool:
    """True for a file of its own, not a link to somebody else's."""
    return path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
