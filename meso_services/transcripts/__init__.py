"""Transcripts of other agents: how they are read, mapped to MESO's entries, and written again.

No service is imported here, so that the session manager and the command use the same code.
"""
