"""Settings of the session manager."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit, setting
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.session_manager]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
    max_tasks: int = setting(
        50_000,
        ge=1,
        le=1_000_000,
        description="Tasks that are kept, ended ones included. One more is refused with 507.",
    )
    summary_model: str = setting(
        "",
        max_length=200,
        description="Model that summarises, by the API proxy. Empty takes the first one it offers.",
    )
    keep_checkpoints: int = setting(
        50,
        ge=1,
        le=10_000,
        description="Checkpoints without a name that are kept, the newest ones. Named ones stay.",
    )
