"""A disk that forgets what was not flushed, to cut a machine's power for real.

A killed QEMU leaves its writes in the host's page cache, so a missing fsync in
the guest would go unnoticed. This disk is served as NBD; it keeps writes in
memory until the guest flushes them, and a cut drops them.
"""
