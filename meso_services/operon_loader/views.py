"""What the identity route answers."""

from __future__ import annotations

from meso_services.contract import identity as wire
from meso_services.operon_loader.catalog import Catalog


def identity(catalog: Catalog, generation: str, files: bool) -> wire.IdentityReply:
    """The hash and what it covers."""
    loaded = catalog.loaded
    conflicts = catalog.copies.conflicts() if catalog.copies else ()
    return wire.IdentityReply(
        hash=catalog.require_hash(),
        generation=generation,
        parts=wire.IdentityParts(**loaded.parts),
        zooid_versions={zooid.head.name: zooid.head.version for zooid in loaded.zooids},
        operon_versions={operon.head.name: operon.head.version for operon in loaded.operons},
        declared=catalog.declared.hash,
        local=tuple(
            wire.Difference(part=c.part, path=c.path, change=c.change) for c in catalog.local()
        ),
        conflicts=tuple(copy.file.removesuffix(".md") for copy in conflicts),
        files={part: dict(found) for part, found in loaded.digests.items()} if files else None,
    )
