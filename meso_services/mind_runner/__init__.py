"""The mind runner: minds, each a directory that a person can read."""
