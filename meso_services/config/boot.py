"""The boot menu."""

from __future__ import annotations

from meso_services.runtime.settings import Model, setting


class Boot(Model):
    """`[boot]`."""

    menu_seconds: int = setting(
        3,
        ge=0,
        le=600,
        scope="image",
        description="Seconds that the boot menu waits. 0 hides it, and with it recovery.",
    )
