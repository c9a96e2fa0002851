"""Tasks: an append-only log of changes, and what it says now."""
