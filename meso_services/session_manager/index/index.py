"""The index of all sessions: one SQLite file, made anew from the session files when in doubt.

It is written in large transactions, so a crash loses its newest rows and not a session's: each
session's row says how far its file was read, and the rest is read again. The rollback journal is
used, not WAL (decision 0009).
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.session_manager.entries import Line
from meso_services.session_manager.index import derive
from meso_services.session_manager.index.schema import PER_SESSION, SCHEMA, VERSION
from meso_services.session_manager.state import State

CACHE_KIB = 32 * 1024
NODES = 4096
COLUMNS = (
    "seq, id, parent, jump, depth, messages, tokens, compaction, system, merged, kind, "
    "start, length, chain"
)
_log = Log("meso.sessions")


class Node(NamedTuple):
    """An entry's place in the graph; see `schema` for what each number is.

    A named tuple, because thousands are made for one answer.
    """

    seq: int
    id: str
    parent: int | None
    jump: int
    depth: int
    messages: int
    tokens: int
    compaction: int | None
    system: int | None
    merged: int
    kind: str
    start: int
    length: int
    chain: bytes


class Index:
    """Rows of every session. Hold `lock` over calls that belong together; it is re-entrant."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self._path = path
        # Counts how often rows that were not committed got lost: what was read before may be gone.
        self.life = 0
        self._nodes: OrderedDict[tuple[int, int], Node] = OrderedDict()
        self._recent: dict[tuple[int, str], Node] = {}
        self._dirty: dict[int, State] = {}
        self._database = self._opened()

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        with self.lock:
            self.commit()
            self._database.close()

    def commit(self) -> None:
        """Make the rows of all sessions and how far they were read durable, together."""
        with self.lock:
            for n, state in self._dirty.items():
                self.execute("UPDATE sessions SET state=?, size=? WHERE n=?",
                             (state.dumped(), state.size, n))  # fmt: skip
            try:
                self._database.commit()
            except sqlite3.Error as problem:
                raise self._lost(problem) from problem
            self._dirty.clear()

    @property
    def pending(self) -> bool:
        """True when there is something to commit."""
        return self._database.in_transaction

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement, in the open transaction."""
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as problem:
            raise self._lost(problem) from problem

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self.lock:
            return self.execute(statement, values).fetchall()

    def number(self, ident: str, parent: str | None, created: str) -> int:
        """The session's number; given when it is first met."""
        with self.lock:
            found = self.execute("SELECT n FROM sessions WHERE id=?", (ident,)).fetchone()
            if found:
                return int(found[0])
            made = self.execute("INSERT INTO sessions (id, parent, created) VALUES (?, ?, ?)",
                                (ident, parent, created))  # fmt: skip
            return int(made.lastrowid or 0)

    def load(self, n: int) -> tuple[State, bytes] | None:
        """The state up to which the session was read, and the bytes that it ended with."""
        with self.lock:
            if n in self._dirty:
                return self._dirty[n], b""
            found = self.execute("SELECT state, ending FROM sessions WHERE n=?", (n,)).fetchone()
            return (State.loaded(found[0]), bytes(found[1])) if found and found[0] else None

    def touch(self, n: int, state: State) -> None:
        """The next commit writes this state."""
        self._dirty[n] = state

    def ending(self, n: int, last: bytes) -> None:
        """Remember the last bytes that were read, to know the file again."""
        self.execute("UPDATE sessions SET ending=? WHERE n=?", (last, n))

    def forget(self, n: int) -> None:
        """Take out every row of a session but its number's own."""
        with self.lock:
            for table in PER_SESSION:
                # The table's name is one of ours.
                self.execute(f"DELETE FROM {table} WHERE n=?", (n,))  # noqa: S608
            self.execute(
                "UPDATE sessions SET state='', size=0, ending=x'', searched=-1 WHERE n=?", (n,)
            )
            self._dirty.pop(n, None)
            for key in [key for key in self._nodes if key[0] == n]:
                del self._nodes[key]
            for near in [near for near in self._recent if near[0] == n]:
                del self._recent[near]

    def remove(self, ident: str) -> None:
        """Take a session out. Its number is never given again, so old words find nothing."""
        with self.lock:
            for (n,) in self.rows("SELECT n FROM sessions WHERE id=?", (ident,)):
                self.forget(n)
                self.execute("DELETE FROM sessions WHERE n=?", (n,))

    def add(  # noqa: PLR0913 (what a line is made of)
        self, n: int, state: State, line: Line, start: int, length: int, *, free: bool = False
    ) -> Node | None:
        """Fold a line and keep its rows; None if its id is taken and it cannot be addressed.

        `free` says that the caller knows that the id is not taken.
        """
        with self.lock:
            if not free and self.find(n, line.id) is not None:
                return None
            seq = state.count
            parent = self.find(n, line.parent) if line.parent is not None else None
            node = self._derived(n, seq, line, parent, (start, length))
            branch = state.add(line)
            self._insert(n, node, line, branch)
            self._remember(n, node)
            return node

    def find(self, n: int, ident: str) -> Node | None:
        """The entry of this id."""
        with self.lock:
            if (near := self._recent.get((n, ident))) is not None:
                return near
            found = self.execute(
                # Named, because without statistics SQLite would walk the whole session.
                f"SELECT {COLUMNS} FROM entries INDEXED BY entries_id WHERE n=? AND id=?",  # noqa: S608
                (n, ident),
            ).fetchone()
            return Node(*found) if found else None

    def node(self, n: int, seq: int) -> Node:
        """The entry at this place."""
        with self.lock:
            node = self._nodes.get((n, seq))
            if node is not None:
                self._nodes.move_to_end((n, seq))
                return node
            found = self.execute(
                f"SELECT {COLUMNS} FROM entries WHERE n=? AND seq=?",  # noqa: S608
                (n, seq),
            ).fetchone()
            if found is None:
                raise MesoError(
                    "session.index_lost",
                    "the index of this session is being made anew",
                    status=503,
                    hint="ask again",
                )
            node = Node(*found)
            self._remember(n, node)
            return node

    def after(self, n: int, seq: int, limit: int) -> list[Node]:
        """Up to `limit` entries after the place `seq`, in the order of the file."""
        statement = f"SELECT {COLUMNS} FROM entries WHERE n=? AND seq>? ORDER BY seq LIMIT ?"  # noqa: S608
        return [Node._make(row) for row in self.rows(statement, (n, seq, limit))]

    def key(self, n: int, key: str) -> Node | None:
        """The entry that was appended under this idempotency key."""
        with self.lock:
            found = self.execute("SELECT seq FROM keys WHERE n=? AND key=?", (n, key)).fetchone()
            return self.node(n, found[0]) if found else None

    def merged(self, n: int, seq: int) -> list[int]:
        """The places of an entry's parents besides the first."""
        return [row[0] for row in self.rows("SELECT parent FROM merges WHERE n=? AND seq=?",
                                            (n, seq))]  # fmt: skip

    def _derived(
        self, n: int, seq: int, line: Line, parent: Node | None, place: tuple[int, int]
    ) -> Node:
        kind = derive.kind(line)
        compaction = seq if kind == "compaction" else parent.compaction if parent else None
        system = seq if kind == "message:system" else parent.system if parent else None
        return Node(
            seq=seq,
            id=line.id,
            parent=parent.seq if parent else None,
            jump=self._jump(n, parent) if parent else seq,
            depth=(parent.depth if parent else 0) + 1,
            messages=(parent.messages if parent else 0) + kind.startswith("message:"),
            tokens=(parent.tokens if parent else 0) + derive.tokens(line),
            compaction=compaction,
            system=system,
            merged=len(line.merged),
            kind=kind,
            start=place[0],
            length=place[1],
            chain=chained(parent.chain if parent else b"", line.id),
        )

    def _jump(self, n: int, parent: Node) -> int:
        """Skew-binary: jumps of lengths that double, and each found from the parent's two."""
        first = self.node(n, parent.jump)
        second = self.node(n, first.jump)
        even = parent.depth - first.depth == first.depth - second.depth
        return first.jump if even else parent.seq

    def _insert(self, n: int, node: Node, line: Line, branch: str) -> None:
        values = (n, node.seq, node.id, node.parent, node.jump, node.depth, node.messages,
                  node.tokens, node.compaction, node.system, node.merged, node.kind, node.start,
                  node.length, node.chain)  # fmt: skip
        self.execute("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", values)
        if line.key is not None:
            self.execute("INSERT OR IGNORE INTO keys VALUES (?,?,?)", (n, line.key, node.seq))
        for other in line.merged:
            if (found := self.find(n, other)) is not None:
                self.execute("INSERT OR IGNORE INTO merges VALUES (?,?,?)",
                             (n, node.seq, found.seq))  # fmt: skip
        if mark := derive.mark(line):
            self.execute("INSERT OR IGNORE INTO marks VALUES (?,?,?,?)", (n, *mark, node.seq))
        if used := derive.usage(line):
            self.execute("INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?,?)", (
                n, node.seq, branch, used.provider, used.model, used.input, used.output,
                used.cache_read, used.cache_write, used.cost))  # fmt: skip

    def _remember(self, n: int, node: Node) -> None:
        self._nodes[(n, node.seq)] = self._recent[(n, node.id)] = node
        while len(self._nodes) > NODES:
            (number, _), old = self._nodes.popitem(last=False)
            self._recent.pop((number, old.id), None)

    def _lost(self, problem: sqlite3.Error) -> MesoError:
        """Go back to what was committed, or to nothing if the file is damaged."""
        self.life += 1
        self._dirty.clear()
        self._nodes.clear()
        self._recent.clear()
        with contextlib.suppress(sqlite3.Error):
            self._database.rollback()
        full = "full" in str(problem)
        if not full and not isinstance(problem, sqlite3.OperationalError):
            self._database.close()
            self._database = self._anew(str(problem))
        return MesoError(
            "storage.full" if full else "session.index_lost",
            f"the index of the sessions could not be used: {problem}",
            status=507 if full else 503,
            hint="free space on the state partition" if full else "ask again; it is made anew",
        )

    def _opened(self) -> sqlite3.Connection:
        if self._path is None:
            return _fresh(":memory:")
        try:
            if self._path.exists():
                return _existing(self._path)
        except (sqlite3.Error, ValueError) as problem:
            return self._anew(str(problem))
        return _fresh(str(self._path))

    def _anew(self, reason: str) -> sqlite3.Connection:
        if self._path is None:
            return _fresh(":memory:")
        _log.warning("made the index of the sessions anew", reason=reason)
        for ending in ("", "-journal", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        return _fresh(str(self._path))


def _connect(name: str) -> sqlite3.Connection:
    made = sqlite3.connect(name, check_same_thread=False, timeout=5.0)
    for pragma in ("journal_mode=TRUNCATE", "synchronous=NORMAL", "temp_store=MEMORY",
                   f"cache_size=-{CACHE_KIB}"):  # fmt: skip
        made.execute(f"PRAGMA {pragma}")
    return made


def _existing(path: Path) -> sqlite3.Connection:
    made = _connect(str(path))
    version = made.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        made.close()
        raise ValueError(f"it is of version {version}, not {VERSION}")
    # A damaged file says so here or not at all: the whole of a large one takes too long to read.
    made.execute("SELECT count(*) FROM sessions").fetchone()
    return made


def _fresh(name: str) -> sqlite3.Connection:
    made = _connect(name)
    made.executescript(SCHEMA)
    made.execute(f"PRAGMA user_version={VERSION}")
    made.commit()
    return made


def chained(before: bytes, ident: str) -> bytes:
    """The hash over the ids from the root to an entry, from that of its parent."""
    return hashlib.sha256(before + ident.encode()).digest()
