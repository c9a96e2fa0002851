"""Who is at the other end of a request's socket, and what only an operator may do."""

from __future__ import annotations

import os

from starlette.requests import Request

from meso_services.runtime.credentials import OPERATOR, Peer, is_operator, peer_of
from meso_services.runtime.errors import MesoError

__all__ = [
    "OPERATOR",
    "PEER_KEY",
    "Peer",
    "current_peer",
    "is_operator",
    "peer_of",
    "require_operator",
]

PEER_KEY = "meso.peer"


def current_peer(request: Request) -> Peer:
    """Dependency: the peer of this request. Raises `peer.unknown` if there is none."""
    peer = request.scope.get(PEER_KEY)
    if not isinstance(peer, Peer):
        raise MesoError(
            "peer.unknown", "the caller's identity is not known on this connection", status=403
        )
    return peer


def require_operator(request: Request) -> Peer:
    """Dependency for routes that only an operator may use."""
    peer = current_peer(request)
    if not is_operator(peer):
        raise MesoError(
            "peer.not_operator",
            f"this is for operators; the caller has uid {peer.uid}",
            status=403,
            hint="log in as `operator`",
            detail={"uid": peer.uid, "own_uid": os.getuid()},
        )
    return peer
