"""What the key to the secrets is bound to, as the unit that made it left word."""

from __future__ import annotations

import json
from typing import Literal

from meso_services.api_proxy.secrets.box import device_key
from meso_services.runtime.paths import Paths

Protection = Literal["tpm2", "host", "none", "passed"]


def protection(paths: Paths) -> Protection:
    """`passed`: there is a key, but not one that this device made."""
    if device_key() is None:
        return "none"
    try:
        said = json.loads((paths.run / "device-key.json").read_text())["protection"]
    except (OSError, ValueError, KeyError, TypeError):
        return "passed"
    return "tpm2" if said == "tpm2" else "host"
