"""Keeps sessions: append-only, human-readable, durable before it is acknowledged."""
