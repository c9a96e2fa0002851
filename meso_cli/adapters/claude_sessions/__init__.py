"""Branches, merges and checkpoints of Claude Code's own sessions, in its own folder."""
