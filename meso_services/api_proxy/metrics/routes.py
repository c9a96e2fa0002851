"""Metrics, the ledger's table and the moment's state, for those who may see them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request
from starlette.responses import Response

from meso_services.api_proxy.care.house import House
from meso_services.api_proxy.metrics.flows import KEYS as FLOW_KEYS
from meso_services.api_proxy.metrics.meters import CONTENT_TYPE
from meso_services.api_proxy.metrics.tables import KEYS, cost_table, top
from meso_services.contract.costs import CostTable, Top
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import PEER_KEY, Peer, current_peer

DAY = r"^(\d{4}-\d{2}-\d{2})?$"
Known = Annotated[Peer, Depends(current_peer)]
K = TypeVar("K", bound=str)
Day = Annotated[str, Query(pattern=DAY)]


def add_routes(app: FastAPI, house: House) -> None:
    """Add the routes."""

    @app.get("/metrics", response_class=Response, responses=_TEXT | errors(401))
    async def metrics(request: Request) -> Response:
        """Counters and histograms in Prometheus's text format; on TCP with a client's key."""
        if request.scope.get(PEER_KEY) is None:
            house.client(key=_key(request))
        return Response(house.metrics(), media_type=CONTENT_TYPE)

    @app.get("/v1/proxy/ledger", responses=errors(403))
    async def ledger(
        _known: Known,
        since: Day = "",
        until: Day = "",
        by: Annotated[str, Query(max_length=64)] = "day,client,model",
    ) -> CostTable:
        """What was spent, by any of day, client, upstream and model."""
        return cost_table(house, since, until, _keys(by, KEYS))

    @app.get("/v1/proxy/top", responses=errors(403))
    async def now(
        _known: Known, by: Annotated[str, Query(max_length=64)] = "client,route,upstream"
    ) -> Top:
        """What runs, what waits, what was spent today; what went through since the start, by any
        of client, route and upstream."""
        return top(house, _keys(by, FLOW_KEYS))


_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}


def _key(request: Request) -> str:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key") or given


def _keys(by: str, known: tuple[K, ...]) -> tuple[K, ...]:
    names = [name for name in by.split(",") if name]
    if wrong := [name for name in names if name not in known]:
        raise MesoError(
            "request.invalid",
            f"by: {wrong[0][:64]} is none of {', '.join(known)}",
            status=422,
        )
    return tuple(key for key in known if key in names)
