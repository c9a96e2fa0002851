"""Words in all sessions (FTS5). The index of words runs behind the entries and catches up."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meso_services.contract.context import SessionHit, SessionHits
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import Log
from meso_services.session_manager.index import derive

if TYPE_CHECKING:
    from meso_services.session_manager.entries import Line
    from meso_services.session_manager.file import SessionFile
    from meso_services.session_manager.store import SessionStore

# A word's place in the index of words: the session's number, then the entry's.
SHIFT = 32
STEP = 200
AROUND = 90
MOST_WORDS = 32
LOOKED_AT = 1000
LONGEST = 200_000
_WORD = re.compile(r"\w+")
_log = Log("meso.sessions")


class Search:
    """Finds entries by their words. Methods may be called from any thread."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._lock = threading.Lock()

    def find(self, query: str, session: str | None, limit: int, patience: float) -> SessionHits:
        """Entries that have all the words, best first, after at most `patience` seconds of
        catching up. Raises `session.not_found`, `search.no_words`.
        """
        words = _WORD.findall(query)[:MOST_WORDS]
        if not words:
            raise MesoError("search.no_words", "the query has no words", status=422)
        behind = self.catch_up(patience)
        match = " ".join(f'"{word}"' for word in words)
        low, high = 0, 2**62
        if session is not None:
            only = self._store.get(session)
            only.check_current()
            low, high = only.n << SHIFT, (only.n + 1) << SHIFT
        rows = self._store.index.rows(
            "SELECT rowid, rank FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ?"
            " ORDER BY rank LIMIT ?",
            (match, low, high, LOOKED_AT),
        )
        hits = []
        numbers = {s.n: s for s in self._store.all()}
        for row, rank in rows:
            hit = self._hit(numbers.get(row >> SHIFT), row & (2**SHIFT - 1), rank, words)
            if hit is not None:
                hits.append(hit)
            if len(hits) == limit:
                break
        return SessionHits(hits=tuple(hits), behind=behind)

    def catch_up(self, seconds: float) -> int:
        """Take up entries for at most so long; return how many are left."""
        until = time.monotonic() + seconds
        left = 0
        with self._lock:
            for session in self._store.all():
                try:
                    left += self._one(session, until)
                except (MesoError, OSError) as problem:
                    _log.debug("left a session's words for later", reason=str(problem))
        return left

    def _one(self, session: SessionFile, until: float) -> int:
        index = self._store.index
        count = session.state.count
        known = index.rows("SELECT searched FROM sessions WHERE n=?", (session.n,))
        if not known:
            return 0
        searched = int(known[0][0])
        while searched < count - 1 and time.monotonic() < until:
            nodes = index.after(session.n, searched, STEP)
            if not nodes:
                break
            texts = [
                ((session.n << SHIFT) + node.seq, text)
                for node, line in zip(nodes, session.lines(nodes), strict=True)
                if (text := derive.words(line)[:LONGEST])
            ]
            with index.lock:
                for row in texts:
                    index.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", row)
                searched = nodes[-1].seq
                index.execute("UPDATE sessions SET searched=? WHERE n=?", (searched, session.n))
        return max(0, count - 1 - searched)

    def _hit(
        self, session: SessionFile | None, seq: int, rank: float, words: list[str]
    ) -> SessionHit | None:
        if session is None:
            return None
        try:
            node = session.index.node(session.n, seq)
            line = session.line(node)
        except (MesoError, OSError):
            # Deleted or read anew in the meantime.
            return None
        return SessionHit(
            session=session.id,
            entry=line.id,
            type=line.type,
            timestamp=line.timestamp,
            snippet=snippet(derive.words(line), words),
            score=round(-rank, 6),
            branches=tuple(_branches(session, line)),
        )


def snippet(text: str, words: list[str]) -> str:
    """Part of the text around the first word that was found, with all of them in bold."""
    pattern = re.compile("|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)),
                         re.IGNORECASE)  # fmt: skip
    found = pattern.search(text)
    middle = found.start() if found else 0
    start, end = max(0, middle - AROUND), min(len(text), middle + AROUND)
    part = " ".join(text[start:end].split())
    bold = pattern.sub(lambda match: f"**{match[0]}**", part)
    shown = f"{'…' if start else ''}{bold}{'…' if end < len(text) else ''}"
    return shown.encode(errors="replace").decode()


def _branches(session: SessionFile, line: Line, most: int = 100) -> Iterator[str]:
    from meso_services.session_manager.tree.walk import is_ancestor  # noqa: PLC0415 (a circle)

    node = session.node(line.id)
    state: Any = session.state
    for name, tip in list(state.refs.items())[:most]:
        if tip is not None and is_ancestor(session, node, session.node(tip)):
            yield name
