"""The entries of a session as a graph: walk it, branch it, merge it."""
