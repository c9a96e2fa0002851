"""Carry a checkpoint to a file and from one, piece by piece."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from meso_cli.output import CliError, Output
from meso_cli.verbs.checkpoint import Export
from meso_services.contract import checkpoints as wire
from meso_services.contract.client import Connection
from meso_services.contract.snapshots import Nothing
from meso_services.runtime import durable

PIECE = 2 << 20


def export(connection: Connection, wanted: Export, output: Output) -> None:
    """Write a checkpoint's file, whole or not at all. Raises CliError, CallError."""
    url = f"/v1/checkpoints/{wanted.checkpoint}/export?files={str(wanted.files).lower()}"
    document = save(connection, url, wanted.path, force=wanted.force)
    if wanted.path != "-":
        output.result(document, f"{wanted.path}: {document['size']} bytes, "
                                f"sha256 {document['sha256']}")  # fmt: skip


def bring(connection: Connection, path: str, output: Output, view: Callable[[Any], str]) -> None:
    """Take in a file. Raises CliError, CallError `checkpoint.damaged`."""
    url = f"/v1/transfers/{give(connection, path)}/checkpoint"
    made = connection.post(url, Nothing(), wire.Checkpoint, once=True)
    document = made.model_dump(mode="json")
    output.result(document, view(document))


def save(connection: Connection, url: str, path: str, *, force: bool) -> dict[str, Any]:
    """What a POST to `url` makes, into a file that is whole or absent; `-` is standard output.

    Raises CliError `cli.file_exists`, `transfer.damaged`, CallError.
    """
    target = Path(path)
    if path != "-" and target.exists() and not force:
        raise CliError("cli.file_exists", f"{path} is there already.", hint="Use --force.")
    made = connection.post(url, Nothing(), wire.Transfer, once=True)
    try:
        if path == "-":
            for piece in _fetched(connection, made):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _write(connection, made, target)
    finally:
        connection.delete(f"/v1/transfers/{made.transfer}", wire.Transfer)
    return {"path": path, "size": made.size, "sha256": made.sha256}


def _write(connection: Connection, made: wire.Transfer, target: Path) -> None:
    digest = hashlib.sha256()
    aside = target.with_name(f".{target.name}.new")
    try:
        with aside.open("wb") as out:
            for piece in _fetched(connection, made):
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != made.sha256:
            raise CliError("transfer.damaged", "what came is not what was sent.")
        durable.move(aside, target)
    except OSError as error:
        raise CliError("cli.file_unwritable", f"{target}: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)


def give(connection: Connection, path: str) -> str:
    """Bring a file (`-`: standard input) to the service; the transfer's id. Raises CliError."""
    try:
        source: BinaryIO = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise CliError("cli.file_unreadable", f"{path}: {error.strerror}.") from error
    transfer = connection.post("/v1/transfers", Nothing(), wire.Transfer, once=True).transfer
    with source:
        offset = 0
        while raw := source.read(PIECE):
            piece = wire.Piece(offset=offset, data=base64.b64encode(raw).decode())
            offset = connection.put(f"/v1/transfers/{transfer}", piece, wire.Transfer).size
    return transfer


def _fetched(connection: Connection, made: wire.Transfer) -> Iterator[bytes]:
    offset: int | None = 0
    while offset is not None:
        url = f"/v1/transfers/{made.transfer}"
        piece = connection.get(url, wire.PieceReply, offset=offset)
        yield base64.b64decode(piece.data)
        offset = piece.next
