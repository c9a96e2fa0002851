"""Settings of the tool executor."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.tool_executor]` of the appliance's file."""

    # The memory of the tools counts here.
    memory_max: Size = memory_limit("2G")
    call_memory_max: Size = setting(
        "256M", description="Memory above which the kernel stops one tool call."
    )
    call_tasks_max: int = setting(
        64, ge=1, le=4096, description="Processes and threads that one tool call may have."
    )
    call_seconds: int = setting(
        30, ge=1, le=3600, description="Seconds after which a tool call is stopped."
    )
    calls_at_once: int = setting(
        8, ge=1, le=256, description="Tool calls that run at once. Further ones wait."
    )
    read_max: Size = setting(
        "256K",
        description="Most of a file's text that one read returns. The answer says where to go on.",
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
