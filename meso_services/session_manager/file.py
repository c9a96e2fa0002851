"""One session's file: indexed, repaired if torn, appended to durably, read by pages."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from meso_services.contract.common import Message
from meso_services.contract.session import Entry, EntryPage, NewEntry, Session
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.group import GroupFile, Ticket
from meso_services.runtime.logging import Log
from meso_services.session_manager import entries, records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.index.index import Index, Node
from meso_services.session_manager.state import State

PAGE_BYTES = 4 * 1024**2
ENDING = 256
_log = Log("meso.sessions")


class Previous:
    """Stands for the entry before, in a plan of several."""


PREVIOUS = Previous()


@dataclass(frozen=True)
class Draft:
    """An entry to be written. `timestamp` None means now; `own` goes under the key `meso`.

    `ident` is the id of an entry that comes from elsewhere. `source` is the entry that it repeats:
    references to that one become references to this one in what is written after it.
    """

    type: str
    data: dict[str, Any]
    parent: str | Previous | None = PREVIOUS
    own: dict[str, Any] = field(default_factory=dict)
    timestamp: str | None = None
    source: str | None = None
    ident: str | None = None

    def on(self, parent: str | None) -> Draft:
        """The same on another parent."""
        return replace(self, parent=parent)


class SessionFile:
    """A session on disk. All methods may be called from any thread.

    A change is a plan: a function that is called under the session's lock with the state as it
    is, and returns what to write. What it returns is written as one piece.
    """

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

    def append(self, new: NewEntry, key: str | None) -> tuple[Entry, bool]:
        """Append and return the entry once the disk has it; and whether it was there before.

        The same `key` again returns the entry that it made. Raises MesoError `entry.*`,
        `branch.*`, `idempotency.conflict` or `storage.*`; then nothing was appended.
        """
        check_new(new)
        with self.lock:
            state = self._current()
            if key is not None and (made := self.index.key(self.n, key)):
                ticket = self._file_ticket()
                entry = self._again(made, new, key)
            else:
                (line,), ticket = self._write(state, [self.draft(state, new)], key)
                entry, made = line.entry, None
        self._wait(ticket)
        return entry, made is not None

    def append_all(self, new: Sequence[NewEntry], key: str | None) -> tuple[list[Entry], bool]:
        """Append several as one piece, each on the one before if it names no parent."""
        for one in new:
            check_new(one)
        asked = digest(*new)

        def plan(state: State) -> list[Draft]:
            first = self.draft(state, new[0])
            rest = [self._following(one, first) for one in new[1:]]
            # Together or not at all: only the last one moves the branch.
            branch = state.branch_of(_probe(first))
            held = {"branch": branch, "pending": True}
            whole = [first, *rest]
            return [
                *(Draft(d.type, d.data, d.parent, held) for d in whole[:-1]),
                Draft(whole[-1].type, whole[-1].data, whole[-1].parent,
                      {"branch": branch, "size": len(whole)}),
            ]  # fmt: skip

        if len(new) == 1:
            entry, before = self.append(new[0], key)
            return [entry], before
        made, before = self.change(plan, key, asked)
        if before:
            last = self.index.find(self.n, made[-1].id)
            size = int(made[-1].own.get("size", 1))
            first = last.seq - size + 1 if last else 0
            nodes = self.index.after(self.n, first - 1, size)
            return [line.entry for line in self.lines(nodes)], True
        return [line.entry for line in made], False

    def change(
        self, plan: Callable[[State], Sequence[Draft]], key: str | None = None, asked: str = ""
    ) -> tuple[list[Line], bool]:
        """Write what `plan` returns as one piece; and whether `key` had done so before.

        `asked` is a digest of the request: the same key with another one is a conflict. A plan
        that returns nothing changes nothing. Raises what the plan raises, and `storage.*`.
        """
        with self.lock:
            state = self._current()
            if key is not None and (made := self.index.key(self.n, key)):
                line = self.line(made)
                if line.own.get("asked", "") != asked:
                    raise conflict(self.id, made.id)
                ticket, before = self._file_ticket(), True
                written = [line]
            else:
                drafts = list(plan(state))
                if not drafts:
                    return [], False
                written, ticket = self._write(state, drafts, key, asked)
                before = False
        self._wait(ticket)
        return written, before

    def draft(self, state: State, new: NewEntry) -> Draft:
        """An entry of a caller's, with its parent and branch."""
        self.check_open()
        own: dict[str, Any] = {}
        if new.branch is not None:
            tip = self.tip(state, new.branch)
            if "parent_id" in new.model_fields_set and new.parent_id != tip:
                raise MesoError(
                    "branch.moved",
                    f"branch {new.branch} is at {tip}, not at {new.parent_id}",
                    status=409,
                    hint="leave parent_id out, or read the branch again",
                    detail={"tip": tip},
                )
            parent = tip
            if new.branch != state.head or tip is None:
                own["branch"] = new.branch
        elif "parent_id" in new.model_fields_set:
            parent = new.parent_id
        else:
            parent = state.leaf
        self.check_known("parent_id", parent)
        if new.type in entries.REQUIRED:
            for name in entries.REFERENCES:
                self.check_known(f"data.{name}", new.data.get(name))
        return Draft(new.type, new.data, parent, own)

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

    def _following(self, new: NewEntry, first: Draft) -> Draft:
        if new.branch is not None or "parent_id" in new.model_fields_set:
            raise MesoError(
                "entry.invalid",
                "entries after the first one follow it; only the first names parent_id or branch",
                status=422,
            )
        if new.type in entries.REQUIRED:
            for name in entries.REFERENCES:
                self.check_known(f"data.{name}", new.data.get(name))
        return Draft(new.type, new.data, PREVIOUS, first.own)

    def _again(self, made: Node, new: NewEntry, key: str) -> Entry:
        entry = self.line(made).entry
        same_parent = "parent_id" not in new.model_fields_set or new.parent_id == entry.parent_id
        if (entry.type, entry.data) != (new.type, new.data) or not same_parent:
            raise conflict(self.id, entry.id)
        return entry

    def _write(
        self, state: State, drafts: Sequence[Draft], key: str | None, asked: str = ""
    ) -> tuple[list[Line], Ticket]:
        last: dict[str, Any] = {} if key is None else {"key": key}
        if asked and key is not None:
            last["asked"] = asked
        made: list[Line] = []
        taken: set[str] = set()
        again: dict[str, str] = {}
        for place, draft in enumerate(drafts):
            own = {**draft.own, **(last if place + 1 == len(drafts) else {})}
            before = made[-1].id if made else state.leaf
            parent = before if isinstance(draft.parent, Previous) else draft.parent
            made.append(self._line(_mapped(draft, again), parent, own, taken))
            taken.add(made[-1].id)
            if draft.source is not None:
                again[draft.source] = made[-1].id
        raw = [entries.entry_line(line) for line in made]
        try:
            ticket = self._file.append(b"".join(raw))
        except OSError as problem:
            raise storage_error(problem, self.path) from problem
        try:
            self._add(state, made, raw, ticket.start)
        except BaseException:
            self._state = None
            self._file.undo(ticket)
            raise
        return made, ticket

    def _add(self, state: State, made: list[Line], raw: list[bytes], start: int) -> None:
        with self.index.lock:
            for line, text in zip(made, raw, strict=True):
                self.index.add(self.n, state, line, start, len(text), free=True)
                start += len(text)
            state.size = start
            self.index.ending(self.n, b"".join(raw)[-ENDING:])
            self.index.touch(self.n, state)

    def _line(self, draft: Draft, parent: str | None, own: dict[str, Any], taken: set[str]) -> Line:
        at = draft.timestamp or entries.now()
        if draft.ident is not None:
            return Line(draft.ident, parent, draft.type, at, draft.data, own)
        bare = Line("", parent, draft.type, at, draft.data, own)
        made = (entries.content_id(bare, length) for length in entries.ID_LENGTHS)
        for ident in made:
            if ident not in taken and self.index.find(self.n, ident) is None:
                return Line(ident, parent, draft.type, at, draft.data, own)
        raise MesoError(
            "entry.exists",
            f"session {self.id} has this very entry already",
            status=409,
            hint="wait a millisecond: the time is part of an entry's id",
        )

    def _wait(self, ticket: Ticket) -> None:
        try:
            self._file.wait(ticket)
        except OSError as problem:
            with self.lock:
                self._state = None
            raise storage_error(problem, self.path) from problem

    def _file_ticket(self) -> Ticket:
        """For what was written before but perhaps not flushed yet."""
        size = self.path.stat().st_size
        return Ticket(size, size, self._file.epoch)

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


def check_new(new: NewEntry) -> None:
    """Refuse what a caller may not append."""
    entries.check_data(new.type, new.data)
    if records.kind_of(new.type, new.data):
        raise MesoError(
            "entry.reserved",
            f"data.customType: names that begin with `{records.PREFIX}` are the service's own",
            status=422,
            hint="there is a route for each of these changes",
        )


def conflict(session: str, entry: str) -> MesoError:
    """The key was used before, for something else."""
    return MesoError(
        "idempotency.conflict",
        f"the idempotency key was used for another entry of session {session}",
        status=409,
        hint="use a new key for each new entry",
        detail={"entry": entry},
    )


def no_entry(session: str, ident: str) -> MesoError:
    """There is no such entry."""
    return MesoError("entry.not_found", f"session {session} has no entry {ident}", status=404)


def _probe(draft: Draft) -> Line:
    parent = None if isinstance(draft.parent, Previous) else draft.parent
    return Line("", parent, draft.type, "", draft.data, draft.own)


def digest(*asked: str | Message) -> str:
    """Of a request, to know it again when its key comes back."""
    parts = [a if isinstance(a, str) else a.model_dump(mode="json") for a in asked]
    return hashlib.sha256(entries.encode({"asked": parts})).hexdigest()[:16]


def _mapped(draft: Draft, again: dict[str, str]) -> Draft:
    if not again or not any(draft.data.get(name) in again for name in entries.REFERENCES):
        return draft
    changed = {n: again[draft.data[n]] for n in entries.REFERENCES if draft.data.get(n) in again}
    return replace(draft, data={**draft.data, **changed})


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
