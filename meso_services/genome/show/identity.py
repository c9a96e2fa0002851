"""What was read, as messages of the contract."""

from __future__ import annotations

from meso_services.contract import identity as wire
from meso_services.genome import budget, models
from meso_services.genome.load import Loaded


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


def operons(loaded: Loaded) -> wire.OperonsReply:
    """All operons without their texts, and the problems."""
    return wire.OperonsReply(
        operons=tuple(
            summary(o, loaded.origins.get(o.head.name, "generation")) for o in loaded.operons
        ),
        problems=tuple(problem(found) for found in loaded.problems),
    )


def match(found: budget.Match, limit: int, notes: tuple[str, ...] = ()) -> wire.MatchReply:
    """What loads, what does not fit, and why. `limit` is the budget in tokens."""
    return wire.MatchReply(
        loaded=tuple(matched(choice) for choice in found.loaded),
        left_out=tuple(matched(choice) for choice in found.left_out),
        tokens=found.tokens,
        budget_tokens=limit,
        notes=notes,
    )
