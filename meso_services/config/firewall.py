"""What may come in. Everything else is dropped; there is no switch to turn that off."""

from __future__ import annotations

from meso_services.config.network import NetworkRange
from meso_services.runtime.settings import Model, setting


class Firewall(Model):
    """`[firewall]`."""

    ssh_from: tuple[NetworkRange, ...] = setting(
        (),
        description="Networks from which SSH is reachable. Empty: from everywhere. "
        "SSH is open only if a key is configured.",
        examples=[["192.168.1.0/24", "2001:db8:1::/48"]],
    )
    ssh_per_minute: int = setting(
        60,
        ge=1,
        le=6000,
        description="New SSH connections a minute that one address may open.",
    )
    ping: bool = setting(True, description="Whether the machine answers a ping.")
