"""Files that people write: strict YAML, markdown with front matter."""
