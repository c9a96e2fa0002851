"""Which models the upstreams serve, in the words of both APIs."""

from __future__ import annotations

from collections.abc import Sequence

from meso_services.api_proxy.routing.settings import Route
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.contract.proxy import Model, ModelList
from meso_services.runtime.errors import MesoError

_PATTERN = frozenset("*?[")


def models(upstreams: Sequence[Upstream], routes: Sequence[Route]) -> ModelList:
    """What upstreams and routes name; none is invented, and a pattern is no name."""
    named = {
        model: upstream.name
        for upstream in upstreams
        for model in upstream.models
        if not _PATTERN & set(model)
    }
    aliases = {
        model: route.to[0].partition("/")[0]
        for route in routes
        for model in route.when.models
        if not _PATTERN & set(model)
    }
    listed = tuple(
        Model(id=model, display_name=model, owned_by=owner)
        for model, owner in (aliases | named).items()
    )
    first, last = (listed[0].id, listed[-1].id) if listed else (None, None)
    return ModelList(data=listed, first_id=first, last_id=last)


def one(upstreams: Sequence[Upstream], routes: Sequence[Route], name: str) -> Model:
    """One of them. Raises `proxy.unknown_model`."""
    for model in models(upstreams, routes).data:
        if model.id == name:
            return model
    raise MesoError(
        "proxy.unknown_model",
        f"no upstream names the model {name}",
        status=404,
        hint="GET /v1/models lists what is served",
    )
