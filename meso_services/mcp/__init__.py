"""MESO over the Model Context Protocol: a server for agents, and a client for their servers."""
