"""The services' accounts: fixed, so that state on disk keeps its owner over updates.

The image's user table states the same numbers; a test compares them.
"""

from __future__ import annotations

UID_OF = {
    "session-manager": 701,
    "memory-manager": 702,
    "tool-executor": 703,
    "operon-loader": 704,
    "api-proxy": 705,
    "mind-runner": 706,
    "embed": 707,
    "mcp": 708,
}
# The only one of the six that may open network connections.
MAY_REACH_NETWORK = ("api-proxy",)
