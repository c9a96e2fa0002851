"""The embedded engine: SQLite FTS5, a file of vectors, and a graph above a size."""
