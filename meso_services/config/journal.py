"""The system's journal."""

from __future__ import annotations

from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import Size


class Journal(Model):
    """`[journal]`."""

    # The image's journald.conf states the same default.
    max_size: Size = setting(
        "256M", description="Space that the journal may take on the state partition."
    )
