"""The one process that owns the embedding model: it starts when asked and leaves when idle."""
