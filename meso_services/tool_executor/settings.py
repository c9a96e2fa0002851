"""Settings of the tool executor."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from meso_services.mcp_client.settings import Server
from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


def _no_name_twice(servers: tuple[Server, ...]) -> tuple[Server, ...]:
    names = [server.name for server in servers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two servers are called {twice[0]}")
    return servers


class Settings(ServiceSettings):
    """`[services.tool_executor]` of the appliance's file."""

    # The memory of the tools counts here.
    memory_max: Size = memory_limit("2G")
    call_memory_max: Size = setting(
        "512M", description="Memory above which the kernel stops one tool call."
    )
    call_tasks_max: int = setting(
        128, ge=8, le=4096, description="Processes and threads that one tool call may have."
    )
    call_cpu_percent: int = setting(
        100, ge=5, le=10_000, description="Processor time of one call, in percent of a processor."
    )
    call_seconds: int = setting(
        120,
        ge=1,
        le=3600,
        description="Seconds after which a tool call is stopped, unless it asked for others.",
    )
    call_seconds_max: int = setting(
        3600, ge=1, le=86_400, description="Most seconds that a call may ask for."
    )
    calls_at_once: int = setting(
        8, ge=1, le=256, description="Commands that run at once. Further ones wait."
    )
    read_max: Size = setting(
        "256K",
        description="Most of a file's text that one read returns. The answer says where to go on.",
    )
    output_max: Size = setting(
        "256K",
        description="Most of each output that a result holds; the middle of more is left out.",
    )
    call_output_max: Size = setting(
        "64M", description="Output after which a command is stopped: it floods."
    )
    scratch_max: Size = setting(
        "256M", description="Size of a command's /tmp, which is in memory and gone at its end."
    )
    file_max: Size = setting("2G", description="Largest file that a command may write.")
    disk_reserve: Size = setting(
        "256M",
        description="Free space on the disk below which a command that writes is stopped.",
    )
    audit_segment: Size = setting(
        "16M", description="Size at which the audit goes on in another file."
    )
    audit_keep: Size = setting(
        "256M", description="Size of the whole audit above which its oldest file is removed."
    )
    health_seconds: float = setting(
        20.0,
        gt=0,
        le=60,
        description=(
            "Seconds after which a health check counts as failed. "
            "The checks start real sandboxes, which takes long on a busy small machine."
        ),
    )
    mcp_servers: Annotated[tuple[Server, ...], AfterValidator(_no_name_twice)] = setting(
        (),
        description="External MCP servers whose tools are offered as `mcp__SERVER__TOOL`.",
    )
