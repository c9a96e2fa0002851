"""The door's grants, on the proxy's own socket."""

from __future__ import annotations

import ipaddress
import os
import pwd
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI, Request

from meso_services.api_proxy.egress import tunnel
from meso_services.api_proxy.egress.addresses import Dialer
from meso_services.api_proxy.egress.door import Policy
from meso_services.api_proxy.egress.grants import GrantBook
from meso_services.api_proxy.egress.hosts import Rule, parse_rule
from meso_services.api_proxy.egress.settings import Egress
from meso_services.contract.egress import Grant, GrantEnded, GrantRequest
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import Peer, current_peer


def policy_of(settings: Egress) -> Policy:
    """The door's policy as the operator's file says it."""
    return Policy(
        rules=tuple(parse_rule(text) for text in settings.allow),
        dialer=Dialer(
            networks=tuple(ipaddress.ip_network(text) for text in settings.networks),
            seconds=settings.connect_seconds,
        ),
        max_tunnels=settings.max_tunnels,
        max_tunnels_each=settings.max_tunnels_each,
        bounds=tunnel.Bounds(
            settings.max_bytes, float(settings.max_seconds), settings.idle_seconds
        ),
    )


def add_routes(app: FastAPI, settings: Egress, grants: GrantBook) -> None:
    """Add the routes that give and end grants."""

    @app.post("/v1/egress/grants", status_code=201, responses=errors(403, 503))
    async def give(request: Request, wanted: GrantRequest) -> Grant:
        """Give a token to reach the named hosts for a while."""
        peer = _granter(request, settings)
        rules = tuple(_rule(text) for text in wanted.hosts)
        token, held = grants.give(
            wanted.caller, peer.uid, rules, wanted.seconds, settings.max_grants
        )
        expires = datetime.now(UTC) + timedelta(seconds=wanted.seconds)
        return Grant(id=held.id, token=token, hosts=wanted.hosts, expires=expires)

    @app.delete("/v1/egress/grants/{token}", responses=errors(403))
    async def end(request: Request, token: str) -> GrantEnded:
        """End a grant at once, and every connection that was opened with it."""
        _granter(request, settings)
        known = grants.find(token) is not None
        return GrantEnded(ended=known, connections_closed=grants.end(token))


def _granter(request: Request, settings: Egress) -> Peer:
    peer = current_peer(request)
    # Root needs no leave, and the proxy's own user has what the door gives anyway.
    if peer.uid in (0, os.getuid()) or peer.uid in _uids(settings.granters):
        return peer
    raise MesoError(
        "egress.not_granter",
        f"uid {peer.uid} may not ask for grants",
        status=403,
        hint="services.api_proxy.egress.granters names the users that may",
    )


def _uids(names: tuple[str, ...]) -> set[int]:
    return {user.pw_uid for user in map(_user, names) if user is not None}


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _rule(text: str) -> Rule:
    try:
        return parse_rule(text)
    except ValueError as problem:
        raise MesoError("egress.bad_host", f"hosts: {text!r}: {problem}", status=422) from None
