"""The routes by which instances bring sessions to each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi import Path as InPath

from meso_services.contract import sync as wire
from meso_services.contract.checkpoints import Transfer
from meso_services.contract.session import SessionId
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.routes.common import CHANGES, READS, AsciiJson, Ident, Limit
from meso_services.session_manager.store import SessionStore, not_found
from meso_services.session_manager.sync import parcel
from meso_services.session_manager.sync.receive import receive
from meso_services.session_manager.transfers import Transfers
from meso_services.session_manager.whole import Deletions

Carried = Annotated[str, InPath(alias="transfer", pattern=r"^[0-9a-f]{32}$")]


def add_sync(app: FastAPI, store: SessionStore, deletions: Deletions, transfers: Transfers) -> None:
    """Give `app` the routes of bringing whole sessions here and elsewhere."""

    @app.get("/v1/heads", responses=READS, response_class=AsciiJson)
    def heads(
        after: Annotated[SessionId | None, Query()] = None, limit: Limit = 100
    ) -> wire.HeadsPage:
        """Where every session stands, archived ones too."""
        found = list(store.all())
        if after is not None:
            places = [place for place, one in enumerate(found) if one.id == after]
            if not places:
                raise not_found(after)
            found = found[places[0] + 1 :]
        return wire.HeadsPage(
            sessions=tuple(_heads(session) for session in found[:limit]),
            deleted=() if after else tuple(deletions.list()),
            next=found[limit - 1].id if len(found) > limit else None,
        )

    @app.post("/v1/sessions/{session}/send", responses=CHANGES)
    def send(session: Ident) -> Transfer:
        """Make one file of the session, for another instance; fetch it by its transfer."""
        path = transfers.fresh()
        parcel.write(store.get(session), path)
        return transfers.ready(path)

    @app.post("/v1/transfers/{transfer}/receive", responses=CHANGES, response_class=AsciiJson)
    def take(
        transfer: Carried,
        dry_run: Annotated[bool, Query(description="Say what would come")] = False,
    ) -> wire.Received:
        """Take in a session of another instance that was brought by a transfer."""
        path = transfers.path(transfer)
        found = receive(store, deletions.list(), parcel.opened(path), dry_run=dry_run)
        if not dry_run:
            transfers.end(transfer)
        return found


def _heads(session: SessionFile) -> wire.Heads:
    facts = session.describe()
    with session.lock:
        refs = dict(session.state.refs)
    return wire.Heads(
        session=facts.id,
        name=facts.name,
        archived=facts.archived,
        entries=facts.entries,
        branches=refs,
    )
