"""Snapshots of workspaces in git repositories that no sandbox sees."""
