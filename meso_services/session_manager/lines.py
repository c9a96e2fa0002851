"""One session's file as it is read: indexed, repaired if torn, paged, never loaded as a whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meso_services.contract.session import Entry, EntryPage, Session
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.group import GroupFile
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries
from meso_services.session_manager.entries import Line
from meso_services.session_manager.index.index import Index, Node
from meso_services.session_manager.state import State

PAGE_BYTES = 4 * 1024**2
ENDING = 256
_log = Log("meso.sessions")


class SessionLines:
    """What stands in a session's file. All methods may be called from any thread."""

    def __init__(self, path: Path, header: dict[str, Any], torn: Path, index: Index) -> None:
        self.path = path
        self.header = header
        self.id: str = header["id"]
        self.index = index
        self.lock = threading.RLock()
        self.archived = False
        self._torn = torn
        self._file = GroupFile(path)
        self._state: State | None = None
        self._life = (-1, -1)
        self.n = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def moved(self, path: Path, *, archived: bool) -> None:
        """The file has another place now. The caller holds `lock`."""
        self._file.close()
        self._file = GroupFile(path)
        self.path, self.archived = path, archived
        self._life = (-1, -1)

    @property
    def state(self) -> State:
        """What the lines say, brought up to date with a file that others may have changed."""
        with self.lock:
            return self._current()

    def check_current(self) -> None:
        """Bring the index up to date with the file."""
        with self.lock:
            self._current()

    def describe(self) -> Session:
        """The session's facts."""
        with self.lock:
            state = self._current()
            created = entries.shown(self.header.get("timestamp", ""))
            parent = self.header.get("parentSession")
            return Session(
                id=self.id,
                name=None if state.name is None else entries.shown(state.name),
                cwd=entries.shown(self.header.get("cwd", "")),
                parent_session=entries.shown(parent) if isinstance(parent, str) else None,
                created_at=created,
                updated_at=state.updated or created,
                entries=state.count,
                leaf=state.leaf,
                size_bytes=state.size,
                damaged_lines=state.damaged,
                branch=state.head,
                branches=len(state.refs),
                archived=self.archived,
            )

    def tip(self, state: State, branch: str) -> str | None:
        """The newest entry of a branch. Raises `branch.not_found`."""
        if branch not in state.refs:
            raise MesoError(
                "branch.not_found",
                f"session {self.id} has no branch {branch}",
                status=404,
                hint="GET the session's branches to see their names",
            )
        return state.refs[branch]

    def check_open(self) -> None:
        """Raises `session.archived`."""
        if self.archived:
            raise MesoError(
                "session.archived",
                f"session {self.id} is archived and only read",
                status=409,
                hint="PATCH the session with archived=false takes it up again",
            )

    def made_by(self, key: str) -> Entry | None:
        """The entry that was appended with this idempotency key."""
        with self.lock:
            self._current()
            node = self.index.key(self.n, key)
            return None if node is None else self.line(node).entry

    def entry(self, ident: str) -> Entry:
        """One entry. Raises `entry.not_found`."""
        return self.line(self.node(ident)).entry

    def node(self, ident: str) -> Node:
        """The place of an entry. Raises `entry.not_found`."""
        with self.lock:
            self._current()
            found = self.index.find(self.n, ident)
        if found is None:
            raise no_entry(self.id, ident)
        return found

    def line(self, node: Node) -> Line:
        """The entry at a place, with what is ours in it."""
        return next(iter(self.lines([node])))

    def lines(self, nodes: Sequence[Node]) -> Iterator[Line]:
        """The entries at these places. Raises `session.changed`."""
        if not nodes:
            return
        with self.path.open("rb") as source:
            for node in nodes:
                source.seek(node.start)
                yield self._parsed(source.read(node.length), node)

    def page(self, after: str | None, limit: int) -> EntryPage:
        """Up to `limit` entries after the entry `after` (None: from the first one)."""
        with self.lock:
            self._current()
            first = -1 if after is None else self.node(after).seq
            nodes = self.index.after(self.n, first, limit + 1)
        more, nodes = len(nodes) > limit, nodes[:limit]
        size = 0
        for place, node in enumerate(nodes):
            size += node.length
            if size > PAGE_BYTES and place + 1 < len(nodes):
                more, nodes = True, nodes[: place + 1]
                break
        found = tuple(line.entry for line in self.lines(nodes))
        return EntryPage(entries=found, next=found[-1].id if found and more else None)

    def check_known(self, key: str, ident: object) -> None:
        """Raises `entry.unknown_reference` for an id that is none of this session."""
        if ident is None or (isinstance(ident, str) and self.index.find(self.n, ident)):
            return
        raise MesoError(
            "entry.unknown_reference",
            f"{key}: session {self.id} has no entry {ident}",
            status=422,
            hint="GET the session's entries to see their ids",
        )

    def _current(self) -> State:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise MesoError(
                "session.not_found", f"the file of session {self.id} is gone", status=404
            ) from None
        life = (self.index.life, self._file.epoch)
        state = self._state
        if state is None or life != self._life or state.size > status.st_size:
            state = self._taken_up(status.st_size)
            self._life = life
        self._state = state
        if state.size < status.st_size:
            self._scan(state)
        return state

    def _taken_up(self, size: int) -> State:
        """What the index knows, or nothing if the file is not the one it knows."""
        parent = self.header.get("parentSession")
        self.n = self.index.number(
            self.id,
            parent if isinstance(parent, str) else None,
            str(self.header.get("timestamp", "")),
        )
        if known := self.index.load(self.n):
            state, ending = known
            if state.size <= size and ending and self._ends(state.size, ending):
                return state
        self.index.forget(self.n)
        return State()

    def _ends(self, size: int, ending: bytes) -> bool:
        with self.path.open("rb") as source:
            source.seek(max(0, size - len(ending)))
            return source.read(len(ending)) == ending

    def _scan(self, state: State) -> None:
        invalid: list[int] = []
        offset, complete, last = state.size, True, b""
        for offset, raw in _lines(self.path, state.size):
            line = entries.parse_entry(raw)
            if offset and line is None:
                invalid.append(offset)
            elif offset and line is not None:
                # What came before a good line is damage in the middle, not a torn end.
                state.damaged += len(invalid)
                invalid.clear()
                if self.index.add(self.n, state, line, offset, len(raw)) is None:
                    # A second entry of the same id cannot be addressed; the first one counts.
                    state.damaged += 1
            state.size = offset + len(raw)
            complete, last = raw.endswith(b"\n"), raw
        if invalid:
            self._set_aside(state, invalid[0])
        elif not complete:
            state.size = durable.append(self.path, b"\n") + 1
            last += b"\n"
        self._known_ending(state)

    def _known_ending(self, state: State) -> None:
        with self.path.open("rb") as source:
            start = max(0, state.size - ENDING)
            source.seek(start)
            ending = source.read(state.size - start)
        with self.index.lock:
            self.index.ending(self.n, ending)
            self.index.touch(self.n, state)

    def _set_aside(self, state: State, start: int) -> None:
        """Move a torn end into a file of its own, then cut it off. Nothing is thrown away."""
        with self.path.open("rb") as source:
            source.seek(start)
            torn = source.read()
        # The name is made of place and content: a second attempt after a crash is the same.
        mark = hashlib.sha256(torn).hexdigest()[:8]
        aside = self._torn / f"{self.path.name}.{start}-{mark}"
        try:
            durable.make_directories(self._torn)
            durable.write(aside, torn)
            durable.truncate(self.path, start)
        except OSError as problem:
            raise storage_error(problem, aside) from problem
        state.size = start
        _log.warning(
            "moved the unreadable end of a session aside",
            session=self.id,
            bytes=len(torn),
            kept_as=str(aside),
        )

    def _parsed(self, raw: bytes, node: Node) -> Line:
        line = entries.parse_entry(raw)
        if line is None or line.id != node.id:
            with self.lock:
                self._state, self._life = None, (-1, -1)
                self.index.forget(self.n)
            raise MesoError(
                "session.changed",
                f"{self.path} was changed by another program at byte {node.start}",
                status=409,
                hint="ask again; the session is read anew",
            )
        return line


def no_entry(session: str, ident: str) -> MesoError:
    """There is no such entry."""
    return MesoError("entry.not_found", f"session {session} has no entry {ident}", status=404)


def _lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as source:
        source.seek(start)
        offset = start
        for raw in source:
            yield offset, raw
            offset += len(raw)


def is_regular(path: Path) -> bool:
    """True for a file of its own, not a link to somebody else's."""
    return path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
