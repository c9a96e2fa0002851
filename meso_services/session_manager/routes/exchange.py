"""The routes of transcripts: what other agents wrote, in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Response
from fastapi import Path as InPath

from meso_services.contract.exchange import Exported, ExportSession, Imported, ImportSession
from meso_services.runtime.app import answers
from meso_services.session_manager import exchange
from meso_services.session_manager.routes.common import CHANGES, Ident
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.transfers import Transfers

Carried = Annotated[str, InPath(alias="transfer", pattern=r"^[0-9a-f]{32}$")]


def add_exchange(app: FastAPI, store: SessionStore, transfers: Transfers) -> None:
    """Give `app` the routes that carry transcripts."""

    @app.post(
        "/v1/transfers/{transfer}/session",
        status_code=201,
        responses={
            **CHANGES,
            **answers(Imported, statuses=[200], description="Nothing was made: it was here before, "
                      "or this is a dry run"),
        },
    )  # fmt: skip
    def bring(transfer: Carried, wanted: ImportSession, response: Response) -> Imported:
        """Make a session of a transcript that was brought by a transfer: whole, or not at all."""
        made = exchange.bring(store, transfers.path(transfer), wanted)
        response.status_code = 200 if made.before or made.dry_run else 201
        if not made.dry_run:
            transfers.end(transfer)
        return made

    @app.post("/v1/sessions/{session}/transcript", responses=CHANGES)
    def export(session: Ident, wanted: ExportSession) -> Exported:
        """Make a transcript of a session; fetch it by its transfer."""
        return exchange.export(store, transfers, session, wanted)
