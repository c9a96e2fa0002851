"""Benchmarks: areas by name, each a module with `run(note)` that yields records."""
