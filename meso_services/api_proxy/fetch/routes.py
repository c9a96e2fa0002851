"""The fetch tool on the proxy's socket."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI

from meso_services.api_proxy.care.house import House
from meso_services.api_proxy.fetch.desk import Desk
from meso_services.contract.fetch import FetchReply, FetchRequest
from meso_services.runtime.app import errors
from meso_services.runtime.peer import Peer, current_peer

Known = Annotated[Peer, Depends(current_peer)]


def add_routes(app: FastAPI, desk: Desk, house: House) -> None:
    """Add the route."""

    @app.post("/v1/fetch", responses=errors(403, 415, 429, 502, 504))
    async def fetch(peer: Known, asked: FetchRequest) -> FetchReply:
        """Get a page of the internet as text, marked as untrusted."""
        return await desk.fetch(asked, house.client(uid=peer.uid).name, peer.uid)
