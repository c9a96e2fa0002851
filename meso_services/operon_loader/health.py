"""What must hold for the operon loader to do its work."""

from __future__ import annotations

from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.holder import Holder
from meso_services.operon_loader.remote import Remote
from meso_services.runtime.health import Check, Finding, in_thread


def checks(holder: Holder, remote: Remote) -> list[Check]:
    """Identity whole, every part loads, no conflict waits; deep: operons pass their tests."""
    return [
        Check("identity", in_thread(lambda: _identity(holder.catalog))),
        Check("parts", in_thread(lambda: _parts(holder.catalog)), required=False),
        Check("zooids", in_thread(lambda: _zooids(holder.catalog)), required=False),
        Check("registry", in_thread(lambda: _registry(holder.catalog, remote)), required=False),
        Check("triggers", in_thread(lambda: _triggers(holder.catalog)), deep=True, required=False),
    ]


def _identity(catalog: Catalog) -> Finding:
    if catalog.loaded.hash is None or not catalog.loaded.standing_orders:
        return Finding(False, _first([str(problem) for problem in catalog.loaded.problems]))
    return Finding(True, catalog.loaded.hash)


def _parts(catalog: Catalog) -> Finding:
    problems = [str(problem) for problem in catalog.loaded.problems]
    if problems:
        return Finding(False, _first(problems))
    zooids, operons = len(catalog.loaded.zooids), len(catalog.loaded.operons)
    return Finding(True, f"{zooids} zooids, {operons} operons")


def _zooids(catalog: Catalog) -> Finding:
    conflicts = catalog.copies.conflicts() if catalog.copies else ()
    if not conflicts:
        return Finding(True, f"{len(catalog.local())} files differ from the generation's")
    said = [f"{copy.file} {copy.reason}; see `meso identity conflicts`" for copy in conflicts]
    return Finding(False, _first(said))


def _registry(catalog: Catalog, remote: Remote) -> Finding:
    """Nobody is asked: only lazy operons need the registry while the service runs."""
    url = remote.settings.url
    if not catalog.lazy:
        return Finding(True, url or "none is configured")
    if remote.known() is None:
        names = ", ".join(sorted(catalog.lazy))
        return Finding(False, f"not verified within cache_hours, so these may not load: {names}")
    return Finding(True, url)


def _triggers(catalog: Catalog) -> Finding:
    failures = catalog.failed_tests()
    return Finding(not failures, _first(failures))


def _first(lines: list[str]) -> str:
    if len(lines) <= 1:
        return "".join(lines)
    return f"{lines[0]} (and {len(lines) - 1} more)"
