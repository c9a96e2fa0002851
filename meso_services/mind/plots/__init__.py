"""Pictures of a session: one description of each, drawn as SVG for a page and as PNG."""
