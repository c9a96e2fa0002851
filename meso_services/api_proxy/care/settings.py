"""Settings of what the proxy writes down."""

from __future__ import annotations

from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import Size


class Records(Model):
    """`[services.api_proxy.audit]`."""

    max_size: Size = setting(
        "64M",
        description="Space that the audit may take. The oldest lines leave first.",
        examples=["64M"],
    )
    flush_seconds: float = setting(
        0.2,
        gt=0,
        le=10,
        description="Lines are on the disk after at most this many seconds; a power cut loses "
        "what came within them.",
    )
