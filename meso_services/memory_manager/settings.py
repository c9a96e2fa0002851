"""Settings of the memory manager."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.memory_manager]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
    content_max: Size = setting(
        "64K",
        description="Largest memory taken, and largest file searched, in bytes of UTF-8.",
        examples=["64K"],
    )
    rescan_seconds: float = setting(
        1.0,
        ge=0,
        le=3600,
        description="Edits by hand are noticed by a search after at most this many seconds.",
    )
