"""What must hold for the operon loader to do its work."""

from __future__ import annotations

from meso_services.operon_loader.catalog import Catalog
from meso_services.runtime.health import Check, Finding, in_thread


def checks(catalog: Catalog) -> list[Check]:
    """The identity is whole; every operon loads; deep: every operon passes its own tests."""
    return [
        Check("identity", in_thread(lambda: _identity(catalog))),
        Check("parts", in_thread(lambda: _parts(catalog)), required=False),
        Check("triggers", in_thread(lambda: _triggers(catalog)), deep=True, required=False),
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


def _triggers(catalog: Catalog) -> Finding:
    failures = catalog.failed_tests()
    return Finding(not failures, _first(failures))


def _first(lines: list[str]) -> str:
    if len(lines) <= 1:
        return "".join(lines)
    return f"{lines[0]} (and {len(lines) - 1} more)"
