"""The operon loader's routes, one subject a file."""
