"""Who the instance is: `get_identity_hash` and `load_genome` of the protocol."""

from __future__ import annotations

from fastapi import FastAPI

from meso_services.contract import identity as wire
from meso_services.genome.load import read_bytes
from meso_services.operon_loader import views
from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.holder import NOWHERE, Holder
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError


def add_routes(app: FastAPI, holder: Holder, generation: str) -> None:
    """Add them to the service's application."""

    @app.get("/v1/identity")
    def identity(files: bool = False) -> wire.IdentityReply:
        """The identity hash, its parts, the versions that it covers, and local changes."""
        return views.identity(holder.catalog, generation, files)

    @app.get("/v1/genome")
    def genome() -> wire.GenomeReply:
        """The standing orders, and every file of the genome with its size and SHA-256."""
        holder.catalog.require_hash()
        loaded = holder.catalog.loaded
        files = tuple(
            wire.GenomeFile(path=file.path, size=file.size, sha256=file.sha256)
            for file in loaded.files
        )
        return wire.GenomeReply(
            hash=loaded.parts["genome"], standing_orders=loaded.standing_orders, files=files
        )

    @app.get("/v1/genome/files/{path:path}", responses=errors(404))
    def genome_file(path: str) -> wire.GenomeText:
        """One file of the genome, as text: a template, a reference page."""
        return _file(holder, holder.catalog, path)


def _file(holder: Holder, catalog: Catalog, path: str) -> wire.GenomeText:
    """Only what the hash covers is read, so no path leads out of the genome."""
    catalog.require_hash()
    digest = catalog.loaded.digests["genome"].get(path)
    if digest is None:
        raise MesoError(
            "identity.no_such_file",
            f"the genome has no file {path[:200]!r}",
            status=404,
            hint="GET /v1/genome lists them",
        )
    try:
        raw = read_bytes((holder.source.generation or NOWHERE) / "genome" / path)
        return wire.GenomeText(path=path, sha256=digest, text=raw.decode())
    except (OSError, ValueError) as error:
        raise MesoError(
            "identity.unreadable_file",
            f"{path[:200]!r} cannot be shown as text: {error}",
            status=404,
            hint="only UTF-8 up to 1 MiB is shown; the file lies in /meso/genome",
        ) from None
