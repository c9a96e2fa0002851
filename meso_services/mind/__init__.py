"""Minds: pools, protocol, clustering and the iteration. The service and the command share it."""
