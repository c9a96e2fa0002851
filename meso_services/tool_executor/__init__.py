"""The tool executor: runs tools in a sandbox that sees one workspace and no network."""
