"""The index's tables. A change of them is a new VERSION: an index of another one is made anew."""

from __future__ import annotations

VERSION = 1

# `n` is the session's number in the index, `seq` the entry's place in its file, from 0. A parent
# always has a smaller `seq`, so descending `seq` is an order of the graph.
#
# What is summed along the way from the root spares walking it: `depth` (entries), `messages`,
# `tokens` (an estimate), `chain` (a hash over the ids), and the nearest `compaction` and `system`
# message, the entry itself included. `jump` is a further ancestor, chosen so that any ancestor is
# found in O(log depth).
SCHEMA = """
CREATE TABLE sessions (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  parent TEXT,
  created TEXT NOT NULL DEFAULT '',
  size INTEGER NOT NULL DEFAULT 0,
  ending BLOB NOT NULL DEFAULT x'',
  state TEXT NOT NULL DEFAULT '',
  searched INTEGER NOT NULL DEFAULT -1
);
CREATE INDEX sessions_parent ON sessions (parent) WHERE parent IS NOT NULL;
CREATE TABLE entries (
  n INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  id TEXT NOT NULL,
  parent INTEGER,
  jump INTEGER NOT NULL,
  depth INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  compaction INTEGER,
  system INTEGER,
  merged INTEGER NOT NULL,
  kind TEXT NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  chain BLOB NOT NULL,
  PRIMARY KEY (n, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX entries_id ON entries (n, id);
CREATE TABLE keys (
  n INTEGER NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (n, key)
) WITHOUT ROWID;
CREATE TABLE merges (
  n INTEGER NOT NULL, seq INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY (n, seq, parent)
) WITHOUT ROWID;
CREATE TABLE marks (
  n INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (n, kind, target, seq)
) WITHOUT ROWID;
CREATE TABLE usage (
  n INTEGER NOT NULL, seq INTEGER NOT NULL, branch TEXT NOT NULL, provider TEXT NOT NULL,
  model TEXT NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, cost REAL NOT NULL,
  PRIMARY KEY (n, seq)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
  text, content='', tokenize = "unicode61 remove_diacritics 2"
);
"""
PER_SESSION = ("entries", "keys", "merges", "marks", "usage")
