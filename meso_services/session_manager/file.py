"""One session's file as it is written: durable appends, and changes that are one piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meso_services.contract.common import Message
from meso_services.contract.session import Entry, NewEntry
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.group import Ticket
from meso_services.session_manager import entries, records
from meso_services.session_manager.entries import Line
from meso_services.session_manager.index.index import Node
from meso_services.session_manager.lines import ENDING, SessionLines
from meso_services.session_manager.state import State


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


class SessionFile(SessionLines):
    """A session on disk. All methods may be called from any thread.

    A change is a plan: a function that is called under the session's lock with the state as it
    is, and returns what to write. What it returns is written as one piece.
    """

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
