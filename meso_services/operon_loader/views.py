"""What the routes answer, made from what was read."""

from __future__ import annotations

from meso_services.contract import identity as wire
from meso_services.genome import budget, models
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


def zooid(found: models.Zooid) -> wire.Zooid:
    """One zooid."""
    return wire.Zooid(
        name=found.head.name,
        version=found.head.version,
        description=found.head.description,
        tokens=found.tokens,
        budget_tokens=found.head.budget_tokens,
        text=found.text,
    )


def summary(operon: models.Operon, origin: models.Origin) -> wire.OperonSummary:
    """An operon without its text."""
    head = operon.head
    return wire.OperonSummary(
        name=head.name,
        version=head.version,
        description=head.description,
        tokens=operon.tokens,
        budget_tokens=head.budget_tokens,
        capabilities=head.capabilities,
        triggers=wire.OperonTriggers.model_validate(head.triggers.model_dump()),
        requires=head.requires,
        origin=origin,
    )


def problem(found: models.Problem) -> wire.LoadProblem:
    """What kept something from loading."""
    return wire.LoadProblem(where=found.where, key=found.key, problem=found.problem)


def matched(choice: budget.Choice) -> wire.MatchedOperon:
    """An operon that is called, and why."""
    reasons = tuple(
        wire.MatchReason(kind=r.kind, trigger=r.trigger, found=r.found, offset=r.offset)
        for r in choice.reasons
    )
    head = choice.operon.head
    return wire.MatchedOperon(
        name=head.name,
        version=head.version,
        tokens=choice.operon.tokens,
        reasons=reasons,
        note=choice.note,
    )
