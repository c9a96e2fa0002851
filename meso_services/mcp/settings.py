"""Settings of the MCP server and of the external servers that it speaks to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Group = Literal["executor", "session", "memory", "task", "identity"]


class Settings(ServiceSettings):
    """`[services.mcp]` of the appliance's file."""

    memory_max: Size = memory_limit("256M")
    session: Name = setting(
        "mcp", description="Session whose workspace a call uses when it names none."
    )
    branch: Name = setting("main", description="Branch of that session.")
    groups: tuple[Group, ...] = setting(
        ("executor", "session", "memory", "task", "identity"),
        description="Groups of tools that are offered.",
    )
    max_clients: int = setting(
        64,
        ge=1,
        le=1024,
        description="Connections of older protocol versions that are kept at once.",
    )
    client_idle_seconds: int = setting(
        1800, ge=10, le=86_400, description="Seconds after which an idle one of them is forgotten."
    )
    idle_exit_seconds: int = setting(
        900,
        ge=1,
        le=86_400,
        description="Seconds without a request after which the service ends; the next request "
        "starts it again.",
    )
