"""Settings of the mind runner."""

from __future__ import annotations

from meso_services.runtime.settings import ServiceSettings, memory_limit
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.mind_runner]` of the appliance's file."""

    # Clustering holds the thinking pool's vectors.
    memory_max: Size = memory_limit("1G")
