"""The routes of checkpoints, and of what is carried in pieces."""

from __future__ import annotations

import contextlib
import pwd
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath

from meso_services.contract import checkpoints as wire
from meso_services.contract.session import SessionId
from meso_services.runtime.app import answers, errors
from meso_services.runtime.peer import Peer, current_peer, require_operator
from meso_services.session_manager.checkpoints import carry
from meso_services.session_manager.checkpoints.make import Neighbours
from meso_services.session_manager.checkpoints.make import make as made
from meso_services.session_manager.checkpoints.restore import restore as restored
from meso_services.session_manager.routes.common import AsciiJson, Key
from meso_services.session_manager.transfers import Transfers

Ident = Annotated[wire.CheckpointId, InPath(alias="checkpoint")]
Carried = Annotated[str, InPath(alias="transfer", pattern=r"^[0-9a-f]{32}$")]
Offset = Annotated[int, Query(ge=0, le=2**53)]
_ERRORS = errors(404, 409, 507)
MEMORY_MANAGER = "meso-memory-manager"


def _purger(request: Request) -> Peer:
    """What is purged is lost: only an operator and the memory manager may."""
    peer = current_peer(request)
    with contextlib.suppress(KeyError):
        if pwd.getpwnam(MEMORY_MANAGER).pw_uid == peer.uid:
            return peer
    return require_operator(request)


Purger = Annotated[Peer, Depends(_purger)]


def add_checkpoints(app: FastAPI, around: Neighbours, transfers: Transfers, most: int) -> None:
    """Give `app` the routes below `/v1/checkpoints` and `/v1/transfers`."""
    _keep(app, around, most)
    _carry(app, around, transfers)
    _pieces(app, transfers)


def _keep(app: FastAPI, around: Neighbours, most: int) -> None:
    @app.post("/v1/checkpoints", status_code=201, responses=_ERRORS, response_class=AsciiJson)
    def make(wanted: wire.MakeCheckpoint, key: Key = None) -> wire.Checkpoint:
        """Keep the agent's state: session, identity, memory, tasks, files."""
        return made(around, wanted, most, key)

    @app.get("/v1/checkpoints", responses=_ERRORS)
    def show_all(session: Annotated[SessionId | None, Query()] = None) -> wire.Checkpoints:
        """All checkpoints, oldest first."""
        return around.shelf.rows(session)

    @app.put("/v1/checkpoints/purged", responses=errors(403, 507))
    def purge(wanted: wire.PurgeMemory, _: Purger) -> wire.PurgedMemory:
        """Remove versions of memories from all checkpoints; the memory manager asks for it."""
        return around.shelf.purge(wanted.hashes)

    @app.get("/v1/checkpoints/{checkpoint}", responses=_ERRORS, response_class=AsciiJson)
    def show(checkpoint: Ident) -> wire.Checkpoint:
        """One checkpoint, in the seed's format."""
        return around.shelf.get(checkpoint)

    @app.post("/v1/checkpoints/{checkpoint}/restore", responses=_ERRORS)
    def restore(checkpoint: Ident, wanted: wire.RestoreCheckpoint) -> wire.Restored:
        """Bring it back: all of it, or nothing changes."""
        return restored(around, checkpoint, wanted)

    @app.delete("/v1/checkpoints/{checkpoint}", responses=_ERRORS)
    def delete(checkpoint: Ident) -> wire.CheckpointDeleted:
        """Remove a checkpoint."""
        return around.shelf.delete(checkpoint)


def _carry(app: FastAPI, around: Neighbours, transfers: Transfers) -> None:
    @app.post("/v1/checkpoints/{checkpoint}/export", responses=_ERRORS)
    def export(
        checkpoint: Ident,
        files: Annotated[bool, Query(description="Also the workspace's files")] = True,
    ) -> wire.Transfer:
        """Make one file that holds everything; fetch it by its transfer."""
        path = transfers.fresh()
        carry.export(around, checkpoint, path, files=files)
        return transfers.ready(path)

    @app.post(
        "/v1/transfers/{transfer}/checkpoint",
        status_code=201,
        response_class=AsciiJson,
        responses={
            **_ERRORS,
            **answers(wire.Checkpoint, statuses=[200], description="It was here before"),
        },
    )
    def bring(
        transfer: Carried,
        response: Response,
        dry_run: Annotated[bool, Query(description="Verify it, take nothing in")] = False,
    ) -> wire.Checkpoint:
        """Take in an exported checkpoint that was brought by a transfer."""
        path = transfers.path(transfer)
        if dry_run:
            response.status_code = 200
            return carry.look(path)
        found, before = carry.bring(around, path)
        transfers.end(transfer)
        response.status_code = 200 if before else 201
        return found


def _pieces(app: FastAPI, transfers: Transfers) -> None:
    @app.post("/v1/transfers", status_code=201, responses=_ERRORS)
    def begin() -> wire.Transfer:
        """Begin to bring something."""
        return transfers.begin()

    @app.put("/v1/transfers/{transfer}", responses=_ERRORS)
    def put(transfer: Carried, piece: wire.Piece) -> wire.Transfer:
        """Bring a piece."""
        return transfers.put(transfer, piece)

    @app.get("/v1/transfers/{transfer}", responses=_ERRORS)
    def fetch(transfer: Carried, offset: Offset = 0) -> wire.PieceReply:
        """Fetch a piece."""
        return transfers.piece(transfer, offset)

    @app.delete("/v1/transfers/{transfer}", responses=_ERRORS)
    def end(transfer: Carried) -> wire.Transfer:
        """Forget it."""
        return transfers.end(transfer)
