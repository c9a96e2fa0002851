"""Words as the embedded engine understands them, for engines that have no such analysis.

SQLite does it: folded, without accents, stemmed. One understanding of words for all engines.
"""

from __future__ import annotations

import sqlite3
from collections import Counter


class Analyser:
    """One thread at a time."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.executescript(
            "CREATE VIRTUAL TABLE said USING fts5 ("
            " text, tokenize = 'porter unicode61 remove_diacritics 2');"
            "CREATE VIRTUAL TABLE seen USING fts5vocab (said, 'instance');"
        )

    def terms(self, text: str) -> Counter[str]:
        """How often each term is in a text."""
        self._connection.execute("INSERT INTO said (rowid, text) VALUES (1, ?)", (text,))
        try:
            return Counter(row[0] for row in self._connection.execute("SELECT term FROM seen"))
        finally:
            self._connection.execute("DELETE FROM said")

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
