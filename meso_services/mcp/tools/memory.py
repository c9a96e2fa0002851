"""Memory as tools: write, read, append, search, related."""

from __future__ import annotations

from pydantic import Field

from meso_services.contract import memory as wire
from meso_services.contract.common import Message
from meso_services.contract.snapshots import MemoryPath
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.spec import ToolSpec
from meso_services.runtime.errors import MesoError

SERVICE = "memory-manager"


class Named(Message):
    """One memory, by its id or by the path of its file."""

    id: wire.MemoryId | None = None
    path: MemoryPath | None = None


class Write(wire.WriteRequest):
    """What to remember; with a path, what that file says from now on."""

    path: MemoryPath | None = None


class Related(Message):
    """To what memories are related: to one of them, or to what is being talked about."""

    memory: wire.MemoryId | None = None
    text: str = Field(default="", max_length=200_000)
    limit: int = Field(default=5, ge=1, le=100)


class Search(Message):
    """Words to look for."""

    query: str = Field(min_length=1, max_length=2000)
    limit: int = Field(default=10, ge=1, le=100)


def _write(backend: Backend, wanted: Write) -> wire.WriteReply:
    with backend.service(SERVICE) as connection:
        if wanted.path is None:
            plain = wire.WriteRequest(**wanted.model_dump(exclude={"path"}, exclude_unset=True))
            return connection.post("/v1/memories", plain, wire.WriteReply)
        file = wire.FileWrite(**wanted.model_dump(exclude_unset=True))
        return connection.put("/v1/files", file, wire.WriteReply)


def _append(backend: Backend, wanted: wire.FileAppend) -> wire.WriteReply:
    with backend.service(SERVICE) as connection:
        return connection.post("/v1/files/append", wanted, wire.WriteReply, once=True)


def _read(backend: Backend, wanted: Named) -> wire.Memory:
    with backend.service(SERVICE) as connection:
        if wanted.path is not None:
            return connection.get("/v1/files", wire.Memory, path=wanted.path)
        if wanted.id is None:
            raise MesoError("memory.unnamed", "give an id or a path", status=422)
        return connection.get(f"/v1/memories/{wanted.id}", wire.Memory)


def _related(backend: Backend, wanted: Related) -> wire.RelatedReply:
    asked = wire.RelatedRequest(**wanted.model_dump())
    with backend.service(SERVICE) as connection:
        return connection.post("/v1/related", asked, wire.RelatedReply, once=True)


def _search(backend: Backend, wanted: Search) -> wire.SearchReply:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/search", wire.SearchReply, q=wanted.query, limit=wanted.limit)


TOOLS = (
    ToolSpec(
        "write_memory",
        "Remember something beyond this session. The same content is kept once.",
        Write,
        _write,
        changes=True,
    ),
    ToolSpec(
        "append_memory",
        "Add text to the memory at a path, or begin it.",
        wire.FileAppend,
        _append,
        changes=True,
    ),
    ToolSpec("read_memory", "Read one memory by its id or its path.", Named, _read),
    ToolSpec("search_memory", "Search what is remembered, best first.", Search, _search),
    ToolSpec(
        "related_memory",
        "What is remembered that goes with a memory or with what is talked about.",
        Related,
        _related,
    ),
)
