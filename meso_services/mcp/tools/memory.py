"""Memory as tools: write, read, search."""

from __future__ import annotations

from pydantic import Field

from meso_services.contract import memory as wire
from meso_services.contract.common import Message
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.spec import ToolSpec

SERVICE = "memory-manager"


class Named(Message):
    """One memory."""

    id: wire.MemoryId


class Search(Message):
    """Words to look for."""

    query: str = Field(min_length=1, max_length=2000)
    limit: int = Field(default=10, ge=1, le=100)


def _write(backend: Backend, wanted: wire.WriteRequest) -> wire.WriteReply:
    with backend.service(SERVICE) as connection:
        return connection.post("/v1/memories", wanted, wire.WriteReply)


def _read(backend: Backend, wanted: Named) -> wire.Memory:
    with backend.service(SERVICE) as connection:
        return connection.get(f"/v1/memories/{wanted.id}", wire.Memory)


def _search(backend: Backend, wanted: Search) -> wire.SearchReply:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/search", wire.SearchReply, q=wanted.query, limit=wanted.limit)


TOOLS = (
    ToolSpec(
        "write_memory",
        "Remember something beyond this session. The same content is kept once.",
        wire.WriteRequest,
        _write,
        changes=True,
    ),
    ToolSpec("read_memory", "Read one memory by its id.", Named, _read),
    ToolSpec("search_memory", "Search what is remembered, best first.", Search, _search),
)
