"""Secrets on the proxy's socket: operators set, name and delete them; nobody reads them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Path

from meso_services.api_proxy.care.audit import Audit
from meso_services.api_proxy.secrets.protection import protection
from meso_services.api_proxy.secrets.store import Secret, SecretStore, plain_name
from meso_services.contract.secrets import NAME, SecretGone, SecretInfo, SecretList, SetSecret
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.paths import Paths
from meso_services.runtime.peer import Peer, require_operator

Operator = Annotated[Peer, Depends(require_operator)]
Name = Annotated[str, Path(pattern=NAME)]


def add_routes(app: FastAPI, store: SecretStore, audit: Audit, paths: Paths) -> None:
    """Add the routes."""

    @app.get("/v1/secrets", responses=errors(403))
    async def list_secrets(_operator: Operator) -> SecretList:
        """Name the secrets, and say what guards them."""
        infos = tuple(_info(name, secret) for name, secret in store.known().items())
        return SecretList(secrets=infos, protection=protection(paths))

    @app.put("/v1/secrets/{name}", responses=errors(403, 404, 409, 507))
    async def set_secret(operator: Operator, name: Name, wanted: SetSecret) -> SecretInfo:
        """Keep a value; it counts from the next request on, without a restart."""
        value = _checked(wanted.value)
        kept, secret = await asyncio.to_thread(store.set, name, value, wanted.mode)
        audit({"kind": "secret", "event": "set", "name": kept, "uid": operator.uid})
        return _info(kept, secret)

    @app.delete("/v1/secrets/{name}", responses=errors(403, 507))
    async def delete_secret(operator: Operator, name: Name) -> SecretGone:
        """Forget a value, at once and for good."""
        deleted = await asyncio.to_thread(store.delete, name)
        if deleted:
            event = {"kind": "secret", "event": "deleted", "name": plain_name(name)}
            audit({**event, "uid": operator.uid})
        return SecretGone(name=plain_name(name), deleted=deleted)


def _info(name: str, secret: Secret) -> SecretInfo:
    return SecretInfo(name=name, set_at=secret.set_at, rotations=secret.rotations)


def _checked(value: str) -> str:
    """A key goes into a header: one line of printable ASCII."""
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise MesoError(
            "secrets.bad_value",
            "the value is not one line of printable ASCII characters",
            status=422,
            hint="a key that was pasted may have brought a line break or a blank along",
        )
    return value
