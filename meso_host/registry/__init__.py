"""A registry as its owner keeps it: keys, signed metadata, operons; a directory of static files."""
