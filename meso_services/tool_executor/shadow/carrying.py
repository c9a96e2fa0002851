"""A snapshot carried to another appliance, or from one: a git bundle, piece by piece.

A request's body and an answer are bounded, a workspace is not. The bundle lies as a file beside
the repository from its first piece to its last, or until it is too old.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

from meso_services.contract import workspaces as wire
from meso_services.contract.tools import WorkspaceRef
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.tool_executor.shadow.desk import Desk
from meso_services.tool_executor.shadow.git import Repository

PIECE = 3 << 20
MOST_BYTES = 4 << 30
SECONDS = 3600.0


class Carrier:
    """Bundles of the repositories that `desk` works on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def piece(self, of: WorkspaceRef, snapshot: str, offset: int) -> wire.BundlePiece:
        """The bytes from `offset` on. Raises `workspace.no_snapshot`, `storage.*`."""
        with self._desk.lock(of.session):
            repository = self._desk.repository(of.session)
            repository.tree_of(snapshot)
            path = repository.place / f"leaving-{snapshot}"
            try:
                if offset == 0 or not path.exists():
                    _clear(repository)
                    _pack(repository, snapshot, path)
                with path.open("rb") as source:
                    size = source.seek(0, os.SEEK_END)
                    source.seek(min(offset, size))
                    raw = source.read(PIECE)
                last = offset + len(raw) >= size
                if last:
                    path.unlink(missing_ok=True)
            except OSError as problem:
                raise storage_error(problem, path) from problem
        return wire.BundlePiece(session=of.session, branch=of.branch, snapshot=snapshot,
                                offset=offset, data=base64.b64encode(raw).decode(),
                                last=last)  # fmt: skip

    def take(self, piece: wire.BundlePiece) -> wire.BundleState:
        """Keep a piece; take in the whole with the last. Raises `workspace.bad_bundle`."""
        try:
            raw = base64.b64decode(piece.data, validate=True)
        except ValueError as problem:
            raise _bad(str(problem)) from problem
        with self._desk.lock(piece.session):
            repository = self._desk.repository(piece.session)
            repository.make()
            path = repository.place / f"arriving-{piece.snapshot}"
            if piece.offset == 0:
                _clear(repository)
                path.unlink(missing_ok=True)
            size = path.stat().st_size if path.exists() else 0
            if piece.offset > size or piece.offset + len(raw) > MOST_BYTES:
                raise _bad(f"a piece at {piece.offset}, where {size} bytes have come")
            _put(path, piece.offset, size, raw)
            size = path.stat().st_size
            if not piece.last:
                return wire.BundleState(size=size)
            try:
                taken = _unpack(repository, piece, path)
            finally:
                path.unlink(missing_ok=True)
        return wire.BundleState(size=size, taken=taken)


def _pack(repository: Repository, snapshot: str, path: Path) -> None:
    kept = f"refs/meso/carried-{snapshot}"
    repository.run("update-ref", kept, snapshot)
    aside = repository.scratch()
    try:
        repository.run("bundle", "create", "-q", str(aside), kept)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _put(path: Path, offset: int, size: int, raw: bytes) -> None:
    """Write a piece; the same one again changes nothing."""
    try:
        with path.open("r+b" if path.exists() else "xb") as target:
            target.seek(offset)
            target.write(raw)
    except OSError as problem:
        if path.exists():
            durable.truncate(path, size)
        raise storage_error(problem, path) from problem


def _unpack(repository: Repository, piece: wire.BundlePiece, path: Path) -> wire.Snapshot:
    done = repository.run("bundle", "unbundle", str(path), fine=(0, 1, 128))
    if done.code:
        raise _bad("git cannot read it")
    tree = repository.tree_of(piece.snapshot)
    kept = f"refs/meso/carried-{piece.snapshot}"
    repository.run("update-ref", kept, piece.snapshot)
    files = len(repository.files(piece.snapshot))
    return wire.Snapshot(session=piece.session, branch=piece.branch, tree=tree,
                         snapshot=piece.snapshot, changed=True, files=files)  # fmt: skip


def _clear(repository: Repository) -> None:
    """Remove what was begun and never ended."""
    for path in (*repository.place.glob("leaving-*"), *repository.place.glob("arriving-*")):
        if time.time() - path.stat().st_mtime > SECONDS:
            path.unlink(missing_ok=True)


def _bad(reason: str) -> MesoError:
    return MesoError(
        "workspace.bad_bundle", f"these are no files of a checkpoint: {reason}", status=422
    )
