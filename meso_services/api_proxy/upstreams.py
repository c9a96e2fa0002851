"""Which upstream serves a request, and with which key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from meso_services.api_proxy.settings import Upstream
from meso_services.contract.proxy import Model, ModelList
from meso_services.runtime.errors import MesoError

KEY = "services.api_proxy.upstreams"
# A client that tries again at once cannot succeed: the operator has to act first.
_FINAL = {"x-should-retry": "false"}


def choose(upstreams: Sequence[Upstream], kind: str, model: str) -> Upstream:
    """The upstream of this kind that names `model`, else one that takes any.

    Raises `proxy.no_upstream` or `proxy.unknown_model`.
    """
    speaking = [upstream for upstream in upstreams if upstream.kind == kind]
    if not speaking:
        raise MesoError(
            "proxy.no_upstream",
            f"no upstream that speaks the {kind} API is configured",
            status=503,
            hint=f'Add one with kind = "{kind}" to {KEY} in the appliance\'s TOML file',
            headers=_FINAL,
        )
    naming = [upstream for upstream in speaking if model in upstream.models]
    taking_any = [upstream for upstream in speaking if not upstream.models]
    for upstream in (*naming, *taking_any):
        return upstream
    raise MesoError(
        "proxy.unknown_model",
        f"no upstream serves the model {model}",
        status=404,
        hint=f"GET /v1/models lists what is served; {KEY}.models names it",
    )


def models(upstreams: Sequence[Upstream]) -> ModelList:
    """What the configured upstreams say they serve."""
    listed = tuple(
        Model(id=model, display_name=model, owned_by=upstream.name)
        for upstream in upstreams
        for model in upstream.models
    )
    first, last = (listed[0].id, listed[-1].id) if listed else (None, None)
    return ModelList(data=listed, first_id=first, last_id=last)


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
            headers=_FINAL,
        )
    return key
