"""Which Python packages some requirements pull in, judged for every Python that is tested.

pip judges markers by the Python that it runs on, so its answer alone would lack what only a newer
one needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from packaging.markers import default_environment
from packaging.requirements import Requirement

from meso_host.errors import HostError
from meso_host.lock.pip import Found, normal


def closure(
    roots: Sequence[str],
    found: Mapping[str, Found],
    pythons: Iterable[str],
    omit: Collection[str] = (),
) -> set[str]:
    """Names that the roots need on any of the Pythons (`3.11`), by their metadata.

    What is in `omit` is left out, with what only it needs. Raises HostError python.marker.
    """
    return {name for version in pythons for name in _for_one(roots, found, version, omit)}


def _for_one(
    roots: Sequence[str], found: Mapping[str, Found], version: str, omit: Collection[str]
) -> set[str]:
    seen: dict[str, set[str]] = {}  # name → its extras that have been followed
    todo = list(_applying(roots, version, ""))
    while todo:
        asked = todo.pop()
        name = normal(asked.name)
        if name in omit:
            continue
        extras = {"", *asked.extras} - seen.setdefault(name, set())
        seen[name] |= extras
        requires = _get(found, name, asked, version).requires
        for extra in extras:
            todo += _applying(requires, version, extra)
    return set(seen)


def _applying(requires: Iterable[str], version: str, extra: str) -> Iterator[Requirement]:
    """The requirements whose marker holds. A marker may name the extra they are asked for with."""
    environment = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": version,
        "python_full_version": f"{version}.0",
        "extra": extra,
    }
    for requirement in map(Requirement, requires):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield requirement


def _get(found: Mapping[str, Found], name: str, asked: Requirement, version: str) -> Found:
    if name not in found:
        raise HostError(
            "python.marker",
            f"Python {version} needs {asked}, which the oldest tested Python does not need.",
            remedy="Add the package to `dependencies` or `dev` in pyproject.toml.",
        )
    return found[name]
