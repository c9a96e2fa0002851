"""The routes of resume, handoff and pickup."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from fastapi import Path as InPath

from meso_services.contract import handoffs as wire
from meso_services.contract.checkpoints import CheckpointId
from meso_services.session_manager.checkpoints.make import Neighbours
from meso_services.session_manager.handing import handoff, resume
from meso_services.session_manager.routes.common import CHANGES, AsciiJson, Ident, Key


def add_handing(app: FastAPI, around: Neighbours, most: int) -> None:
    """Give `app` the routes by which a session goes on elsewhere or later."""

    @app.post("/v1/sessions/{session}/resume", responses=CHANGES, response_class=AsciiJson)
    def resumed(session: Ident, wanted: wire.Resume) -> wire.Resumed:
        """Go on where the session was left; what differs from its checkpoint is told."""
        return resume.resume(around, session, wanted)

    @app.post("/v1/sessions/{session}/handoff", responses=CHANGES, response_class=AsciiJson)
    def handed_off(session: Ident, wanted: wire.Handoff, key: Key = None) -> wire.HandedOff:
        """Leave a note and a checkpoint for who goes on."""
        return handoff.handoff(around, session, wanted, most, key)

    @app.post("/v1/checkpoints/{checkpoint}/pickup", responses=CHANGES, response_class=AsciiJson)
    def picked_up(
        checkpoint: Annotated[CheckpointId, InPath(alias="checkpoint")], wanted: wire.Pickup
    ) -> wire.PickedUp:
        """Go on with what was handed off: restore it, and have its note."""
        return handoff.pickup(around, checkpoint, wanted)
