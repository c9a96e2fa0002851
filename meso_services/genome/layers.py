"""The instance's own parts laid over its generation: what the agent here really is.

- The genome is the generation's, always.
- Zooids are the instance's own copies: all that it has, and no other. A copy that
  cannot be read gives way to the generation's, so that no rule drops out silently.
- An operon of the instance hides the generation's of the same name, one that is
  only in the registry hides neither.

The identity hash covers what is left: the canonical form of decision 0012 over the
files that are loaded. Without anything of its own, an instance has its generation's hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from meso_services.contract.identity_hash import from_digests
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.load import Loaded, checked, parse_zooid
from meso_services.genome.models import Operon, Origin, Problem, Zooid


@dataclass(frozen=True)
class OwnOperon:
    """An operon of the instance: its origin, and the SHA-256 of its files by path in the folder."""

    operon: Operon
    origin: Origin
    files: Mapping[str, str]


@dataclass(frozen=True)
class Own:
    """What the instance has of its own. `zooids` holds all of its copies by file name.

    `deployed` are the generation's zooids, for copies that cannot be read.
    """

    zooids: Mapping[str, bytes]
    deployed: Mapping[str, bytes]
    operons: tuple[OwnOperon, ...]
    problems: tuple[Problem, ...] = ()


def overlay(generation: Loaded, own: Own) -> Loaded:
    """The effective identity. `generation` comes from `load.read`, unchecked."""
    problems = [*generation.problems, *own.problems]
    zooids, zooid_digests = _zooids(own, problems)
    kept = _chosen(generation, own)
    operons = {o.head.name: o for o in generation.operons} | {
        o.operon.head.name: o.operon for o in kept
    }
    origins: dict[str, Origin] = dict.fromkeys(operons, "generation")
    origins |= {own.operon.head.name: own.origin for own in kept}
    digests = {
        "genome": generation.digests.get("genome", {}),
        "zooids": zooid_digests,
        "operons": _operon_digests(generation, kept),
    }
    whole = replace(
        generation,
        zooids=zooids,
        operons=tuple(operons[name] for name in sorted(operons)),
        problems=tuple(problems),
        origins=origins,
    )
    return checked(_hashed(whole, digests))


def _hashed(loaded: Loaded, digests: Mapping[str, Mapping[str, str]]) -> Loaded:
    """A generation without a canonical form has no hash, whatever lies over it."""
    if loaded.hash is None:
        return loaded
    identity = from_digests(digests)
    parts = {name: part.hash for name, part in identity.parts.items()}
    return replace(loaded, hash=identity.hash, parts=parts, digests=digests)


def _zooids(own: Own, problems: list[Problem]) -> tuple[tuple[Zooid, ...], dict[str, str]]:
    zooids: list[Zooid] = []
    digests: dict[str, str] = {}
    for file, raw in sorted(own.zooids.items()):
        try:
            used, zooid = raw, parse_zooid(file, raw, f"zooids/{file}")
        except DocumentError as error:
            problems.append(Problem(error.where, error.key, error.problem))
            if file not in own.deployed:
                continue
            used = own.deployed[file]
            try:
                zooid = parse_zooid(file, used, f"zooids/{file}")
            except DocumentError:
                continue
        zooids.append(zooid)
        digests[file] = hashlib.sha256(used).hexdigest()
    return tuple(zooids), digests


def _chosen(generation: Loaded, own: Own) -> tuple[OwnOperon, ...]:
    """The instance's operons, without lazy ones that a nearer layer has by that name."""
    near = {operon.head.name for operon in generation.operons}
    near |= {o.operon.head.name for o in own.operons if o.origin != "lazy"}
    return tuple(o for o in own.operons if o.origin != "lazy" or o.operon.head.name not in near)


def _operon_digests(generation: Loaded, kept: tuple[OwnOperon, ...]) -> dict[str, str]:
    hidden = {own.operon.head.name for own in kept}
    declared = generation.digests.get("operons", {})
    digests = {p: d for p, d in declared.items() if p.partition("/")[0] not in hidden}
    for own in kept:
        digests |= {f"{own.operon.head.name}/{path}": d for path, d in own.files.items()}
    return digests
