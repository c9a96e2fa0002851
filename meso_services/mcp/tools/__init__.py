"""The operations of MESO as MCP tools, one module a group."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from meso_services.mcp.tools import branches, identity, memory, sessions, tasks
from meso_services.mcp.tools.spec import ToolSpec

GROUPS: Mapping[str, tuple[ToolSpec, ...]] = MappingProxyType(
    {
        "session": (*sessions.TOOLS, *branches.TOOLS),
        "memory": memory.TOOLS,
        "task": tasks.TOOLS,
        "identity": identity.TOOLS,
    }
)
