"""Settings of the session manager."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.session_manager]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
