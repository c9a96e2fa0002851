"""The calls' routes, on the proxy's own socket."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header, Request

from meso_services.api_proxy.edge.commands import declared
from meso_services.api_proxy.edge.courier import Courier
from meso_services.contract.edge import CallState, EdgeCall, EdgeCalls, NewEdgeCall
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import current_peer

Key = Annotated[str | None, Header(max_length=128)]


def add_routes(app: FastAPI, courier: Courier) -> None:
    """Add them."""

    @app.post("/v1/edge/calls", status_code=201, responses=errors(403, 404, 409, 503, 507))
    async def call(request: Request, new: NewEdgeCall, idempotency_key: Key = None) -> EdgeCall:
        """Give a node a command; it is kept until the node takes it or it expires."""
        current_peer(request)
        node = courier.nodes.get(new.node)
        if node is None:
            known = ", ".join(courier.nodes) or "none"
            raise MesoError(
                "edge.unknown_node", f"there is no node {new.node} ({known})", status=404
            )
        command = declared(node, new.command, new.arguments)
        made = courier.queue.add(new, command.expires_seconds, node.queue_max, idempotency_key)
        courier.wake(new.node)
        return made

    @app.get("/v1/edge/calls", responses=errors(403))
    async def calls(
        request: Request, node: str | None = None, state: CallState | None = None
    ) -> EdgeCalls:
        """List the calls, oldest first."""
        current_peer(request)
        return EdgeCalls(calls=courier.queue.listed(node, state))

    @app.get("/v1/edge/calls/{call_id}", responses=errors(403, 404))
    async def show(request: Request, call_id: str) -> EdgeCall:
        """One call and what came of it."""
        current_peer(request)
        return courier.queue.get(call_id)

    @app.delete("/v1/edge/calls/{call_id}", responses=errors(403, 404, 409))
    async def cancel(request: Request, call_id: str) -> EdgeCall:
        """Take back a call that waits."""
        current_peer(request)
        return courier.queue.cancel(call_id)
