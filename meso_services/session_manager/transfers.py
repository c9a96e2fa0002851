"""Large things in pieces: what is brought to the service and what is fetched from it.

A request's body and an answer are bounded, a session is not. So it is carried by pieces into or
out of a file that nobody else sees, which is removed when it is done or too old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from pathlib import Path

from meso_services.contract.checkpoints import Piece, PieceReply, Transfer
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error

PIECE = 3 << 20
MOST_BYTES = 4 << 30
MOST = 32
SECONDS = 3600.0
_ID = re.compile("[0-9a-f]{32}")


class Transfers:
    """Files below `place`, each for one transfer. Old ones go when a new one begins."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        shutil.rmtree(place, ignore_errors=True)
        durable.make_directories(place)

    def begin(self) -> Transfer:
        """A place to bring something to. Raises `transfer.too_many`."""
        path = self.fresh()
        path.touch()
        return Transfer(transfer=path.name, size=0)

    def fresh(self) -> Path:
        """The path of a new transfer; the caller fills it. Raises `transfer.too_many`."""
        with self._lock:
            self._clear()
            if len(list(self._place.iterdir())) >= MOST:
                raise MesoError(
                    "transfer.too_many",
                    f"{MOST} transfers are under way",
                    status=503,
                    hint="end one, or wait: they are forgotten after an hour",
                )
            return self._place / secrets.token_hex(16)

    def ready(self, path: Path) -> Transfer:
        """What was filled can be fetched."""
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while piece := source.read(1 << 20):
                digest.update(piece)
        return Transfer(transfer=path.name, size=path.stat().st_size, sha256=digest.hexdigest())

    def put(self, ident: str, piece: Piece) -> Transfer:
        """Add a piece. The same piece again changes nothing. Raises `transfer.*`, `storage.*`."""
        try:
            raw = base64.b64decode(piece.data, validate=True)
        except binascii.Error as problem:
            raise MesoError("transfer.bad_piece", f"data: {problem}", status=422) from problem
        with self._lock:
            path = self.path(ident)
            size = path.stat().st_size
            if piece.offset > size or piece.offset + len(raw) > MOST_BYTES:
                raise MesoError(
                    "transfer.bad_piece",
                    f"offset {piece.offset}: the transfer has {size} bytes",
                    status=422,
                    hint=f"go on at {size}; at most {MOST_BYTES} bytes are taken",
                )
            try:
                with path.open("r+b") as target:
                    target.seek(piece.offset)
                    target.write(raw)
            except OSError as problem:
                os.truncate(path, size)
                raise storage_error(problem, path) from problem
            return Transfer(transfer=ident, size=path.stat().st_size)

    def piece(self, ident: str, offset: int) -> PieceReply:
        """A piece to fetch."""
        path = self.path(ident)
        with path.open("rb") as source:
            # No file system takes every offset that a number can be.
            source.seek(min(offset, path.stat().st_size))
            raw = source.read(PIECE)
            more = bool(source.read(1))
        following = offset + len(raw) if more else None
        return PieceReply(data=base64.b64encode(raw).decode(), next=following)

    def path(self, ident: str) -> Path:
        """The file. Raises `transfer.not_found`."""
        path = self._place / ident
        if not _ID.fullmatch(ident) or not path.is_file():
            raise MesoError(
                "transfer.not_found",
                f"there is no transfer {ident}",
                status=404,
                hint="begin it again",
            )
        return path

    def end(self, ident: str) -> Transfer:
        """Forget it."""
        path = self.path(ident)
        size = path.stat().st_size
        path.unlink(missing_ok=True)
        return Transfer(transfer=ident, size=size)

    def _clear(self) -> None:
        for path in self._place.iterdir():
            if time.time() - path.stat().st_mtime > SECONDS:
                path.unlink(missing_ok=True)
