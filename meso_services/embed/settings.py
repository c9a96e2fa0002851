"""Settings of the embedding service."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.embed]` of the appliance's file."""

    memory_max: Size = memory_limit("250M")
    idle_exit_seconds: int = setting(
        300,
        ge=1,
        le=86400,
        description="Seconds without a request after which the service ends; the next request "
        "starts it again.",
    )
