"""The registry as this service uses it: through the egress door, one caller at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from meso_services.files.strict_yaml import DocumentError
from meso_services.genome import bundle
from meso_services.genome.models import Operon
from meso_services.operon_loader.settings import RegistrySettings
from meso_services.registry.listing import Entry
from meso_services.runtime.errors import MesoError

if TYPE_CHECKING:
    # Twenty megabytes that an appliance without a registry never needs.
    from meso_services.registry.client import Listing, Registry

PLACE = ".registry"
CALLER = "operon-loader/registry"


class Remote:
    """One registry, or none. Raises MesoError `registry.*` for everything that goes wrong."""

    def __init__(self, settings: RegistrySettings, operons: Path, run: Path) -> None:
        self.settings = settings
        self._place = operons / PLACE
        self._run = run
        self._lock = threading.Lock()

    def listing(self) -> Listing:
        """What it lists: asked now, or known where it cannot be reached."""
        with self._lock:
            return self._registry().listing()

    def known(self) -> Listing | None:
        """What it listed last, without asking; None when that is too old, or there is none."""
        if not self.settings.url:
            return None
        with self._lock:
            return self._registry().known()

    def files(self, entry: Entry) -> dict[str, bytes]:
        """An operon's files as approved, from the cache while its time runs."""
        with self._lock:
            raw = self._cached(entry) or self._registry().fetch(entry)
        return files_of(entry, raw)

    def cached(self, entry: Entry) -> bytes | None:
        """The bytes that are here already, however old; nobody is asked."""
        if not self.settings.url:
            return None
        with self._lock:
            return self._registry().cached(entry)

    def _cached(self, entry: Entry) -> bytes | None:
        registry = self._registry()
        known = registry.known()
        found = known.find(entry.head.name, entry.head.version) if known else None
        return registry.cached(entry) if found and found.sha256 == entry.sha256 else None

    def _registry(self) -> Registry:
        from meso_services.registry.client import Registry, Trust  # noqa: PLC0415
        from meso_services.registry.door import Door  # noqa: PLC0415
        from meso_services.registry.fetch import Fetcher  # noqa: PLC0415

        settings = self.settings
        if not settings.url:
            raise MesoError(
                "registry.not_configured",
                "no registry is configured",
                status=409,
                hint="set services.operon_loader.registry.url and root_sha256",
            )
        trust = Trust(settings.url, settings.root_sha256, settings.cache_hours * 3600)
        return Registry(self._place, trust, Fetcher(Door(self._run, CALLER).dial))


def files_of(entry: Entry, raw: bytes) -> dict[str, bytes]:
    """The files of a bundle. Raises `registry.not_as_listed`.

    The listing is what was approved, so the bundle may say nothing else.
    """
    try:
        files = bundle.unpack(raw, f"registry/{entry.target}")
    except DocumentError as error:
        raise _not_as_listed(entry, str(error)) from None
    if bundle.digests(files) != dict(sorted(entry.files.items())):
        raise _not_as_listed(entry, "its files are not those that the listing names")
    operon_of(entry, files)
    return files


def operon_of(entry: Entry, files: Mapping[str, bytes]) -> Operon:
    """The operon in these files. Raises `registry.not_as_listed`."""
    try:
        operon = bundle.operon(entry.head.name, files, f"registry/{entry.target}")
    except DocumentError as error:
        raise _not_as_listed(entry, str(error)) from None
    if operon.head != entry.head or operon.tokens != entry.tokens:
        raise _not_as_listed(entry, "its front matter is not what the listing says")
    return operon


def _not_as_listed(entry: Entry, why: str) -> MesoError:
    return MesoError(
        "registry.not_as_listed",
        f"{entry.head.name} {entry.head.version} cannot be used: {why}",
        status=502,
        hint="do not use it; the registry's owner can publish a newer version",
    )
