"""Drop-ins for limits that the operator moved away from a unit's own."""

from __future__ import annotations

from meso_services.config.services import Services


def render_units(services: Services) -> dict[str, str]:
    """Drop-in file name (`UNIT.conf`) → text.

    A unit states its model's default itself, so only a moved limit needs a file.
    Without any file the activator spares the boot a reload of all units.
    """
    return {
        f"meso-{name}.service.conf": f"[Service]\nMemoryMax={settings.memory_max}\n"
        for name, settings in services.by_id().items()
        if settings.memory_max != type(settings)().memory_max
    }
