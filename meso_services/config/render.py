"""An `Appliance` → the files that a generation holds for it. Pure."""

from __future__ import annotations

import json
from typing import Any

from meso_services.config.accounts import MAY_REACH_NETWORK
from meso_services.config.appliance import Appliance
from meso_services.config.hostfiles.network import render_network
from meso_services.config.hostfiles.nftables import render_nftables, render_nftables_ssh
from meso_services.config.hostfiles.units import render_units
from meso_services.config.journal import Journal
from meso_services.tool_executor.policy.settings import FILE as POLICY_FILE


def render(appliance: Appliance) -> dict[str, str]:
    """Path inside the generation → text: `config/`, `host/`, `policy/`, `units.d/`."""
    return {
        **_config(appliance),
        **_host(appliance),
        **{f"units.d/{name}": text for name, text in render_units(appliance.services).items()},
        POLICY_FILE: as_json(appliance.policy.render()),
        "policy/network.json": as_json({"schema": 1, "may_reach_network": MAY_REACH_NETWORK}),
    }


def as_json(value: Any) -> str:
    """JSON with one spelling: sorted keys, two spaces, a final line feed."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _config(appliance: Appliance) -> dict[str, str]:
    system = appliance.render()
    del system["services"]
    files = {"config/system.json": as_json(system)}
    for name, settings in appliance.services.by_id().items():
        files[f"config/{name}.json"] = as_json(settings.render())
    return files


def _host(appliance: Appliance) -> dict[str, str]:
    files = {
        "host/hostname": f"{appliance.hostname}\n",
        "host/timezone": f"{appliance.timezone}\n",
        "host/nftables.conf": render_nftables(
            appliance.firewall, appliance.network.mdns, appliance.services.api_proxy.tcp_ports()
        ),
        "host/nftables-ssh.conf": render_nftables_ssh(appliance.firewall),
    }
    if appliance.journal != Journal():
        # As with the units: only what the operator moved costs the boot a restart.
        files["host/journald.conf"] = f"[Journal]\nSystemMaxUse={appliance.journal.max_size}\n"
    for name, text in render_network(appliance.network).items():
        files[f"host/network/{name}"] = text
    for user, keys in appliance.users.keys().items():
        files[f"host/ssh/authorized_keys/{user}"] = "".join(f"{key}\n" for key in keys)
    return files
