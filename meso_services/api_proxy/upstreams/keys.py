"""The key of an upstream."""

from __future__ import annotations

import os
from pathlib import Path

from meso_services.api_proxy.secrets.current import value
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.runtime.errors import MesoError

# A client that tries again at once cannot succeed: the operator has to act first.
FINAL = {"x-should-retry": "false"}


def key_of(upstream: Upstream) -> str | None:
    """The upstream's API key: the secret of that name (`meso secret set`), else the credential
    of that name that the unit has. Looked up anew each time, so a rotated key counts at once.

    None if none is configured. Raises `proxy.no_credential` if it is configured but not there.
    """
    if upstream.credential is None:
        return None
    key = value(upstream.credential) or _passed(upstream.credential)
    if not key or not key.isascii() or not key.isprintable():
        raise MesoError(
            "proxy.no_credential",
            f"the credential {upstream.credential} of upstream {upstream.name} is not there",
            status=503,
            hint=f"`meso secret set {upstream.credential.removeprefix('meso.')}`",
            headers=FINAL,
        )
    return key


def _passed(name: str) -> str:
    """A credential that systemd passed to the unit; "" if there is none."""
    place = os.environ.get("CREDENTIALS_DIRECTORY", "")
    try:
        return (Path(place) / name).read_text().strip() if place else ""
    except (OSError, ValueError):
        return ""
