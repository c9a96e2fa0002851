"""Changes of the instance's operons, and the registry they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, FastAPI, Query

from meso_services.contract import operons as wire
from meso_services.genome.requires import number
from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.changing import Changer
from meso_services.operon_loader.holder import Holder
from meso_services.operon_loader.remote import Remote
from meso_services.registry.listing import Entry, newest
from meso_services.runtime.app import errors
from meso_services.runtime.peer import Peer, require_operator

Operator = Annotated[Peer, Depends(require_operator)]
_REFUSALS = errors(403, 404, 409, 502, 507)


def add_routes(app: FastAPI, holder: Holder, remote: Remote) -> None:
    """Add them to the service's application."""
    changer = Changer(holder, remote)

    @app.get("/v1/changes")
    def past() -> wire.PastChanges:
        """The changes that are kept, oldest first."""
        return changer.past()

    @app.post("/v1/changes/plan", responses=_REFUSALS)
    def plan(request: wire.ChangeRequest, _: Operator) -> wire.ChangePlan:
        """What a change would do: the diff, and the capabilities that the operon asks for."""
        return changer.plan(request)

    @app.post("/v1/changes", responses=_REFUSALS)
    def change(request: wire.ChangeRequest, _: Operator) -> wire.ChangeDone:
        """Do what a plan showed. For operators only."""
        with holder.lock:
            return changer.apply(request)

    @app.get("/v1/registry", responses=errors(409, 502))
    def registry(q: Annotated[str, Query(max_length=200)] = "") -> wire.RegistryReply:
        """What the registry lists; with `q`, those whose name or description have all its words."""
        listing = remote.listing()
        return wire.RegistryReply(
            url=remote.settings.url,
            verified=listing.verified,
            expires=listing.expires,
            offline=listing.offline,
            operons=tuple(_listed(listing.entries, q, holder.catalog)),
            problems=listing.problems,
        )


def _listed(entries: Iterable[Entry], q: str, catalog: Catalog) -> Iterable[wire.RegistryOperon]:
    found = tuple(entries)
    here = {o.head.name: o.head.version for o in catalog.loaded.operons}
    for name, entry in newest(found).items():
        text = f"{name} {entry.head.description}".casefold()
        if all(word in text for word in q.casefold().split()):
            versions = (e.head.version for e in found if e.head.name == name)
            yield wire.RegistryOperon(
                name=name,
                version=entry.head.version,
                versions=tuple(sorted(versions, key=number)),
                description=entry.head.description,
                tokens=entry.tokens,
                capabilities=entry.head.capabilities,
                here=here.get(name),
                origin=catalog.loaded.origins.get(name),
            )
