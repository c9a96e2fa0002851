"""The key of an upstream."""

from __future__ import annotations

import os
from pathlib import Path

from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.runtime.errors import MesoError

# A client that tries again at once cannot succeed: the operator has to act first.
FINAL = {"x-should-retry": "false"}


def key_of(upstream: Upstream) -> str | None:
    """The upstream's API key, read anew each time from the credential that the unit has.

    None if none is configured. Raises `proxy.no_credential` if it is configured but not there.
    """
    if upstream.credential is None:
        return None
    place = os.environ.get("CREDENTIALS_DIRECTORY", "")
    try:
        key = (Path(place) / upstream.credential).read_text().strip() if place else ""
    except (OSError, ValueError):
        key = ""
    if not key or not key.isascii() or not key.isprintable():
        raise MesoError(
            "proxy.no_credential",
            f"the credential {upstream.credential} of upstream {upstream.name} is not there",
            status=503,
            hint="Pass it to the unit as a systemd credential",
            headers=FINAL,
        )
    return key
