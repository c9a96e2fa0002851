"""The identity that is served: generation and instance as they were read, and the matcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meso_services.genome.compare import Change, compare
from meso_services.genome.load import Loaded
from meso_services.genome.match import Match, Matcher, failed_tests
from meso_services.genome.models import Operon
from meso_services.genome.situation import Situation
from meso_services.operon_loader.zooids import Zooids
from meso_services.registry.listing import Entry
from meso_services.runtime.errors import MesoError


@dataclass(frozen=True)
class Catalog:
    """Everything read, never changed afterwards. A change or a reload makes another one.

    `loaded` is effective, `declared` the generation as it is; `copies` are the instance's
    zooids (None where it keeps none), `lazy` the approvals of operons whose text is not here.
    """

    loaded: Loaded
    matcher: Matcher
    budget_tokens: int
    declared: Loaded
    copies: Zooids | None
    lazy: Mapping[str, Entry] = field(default_factory=dict)

    def require_hash(self) -> str:
        """The identity hash. Raises `identity.unavailable` when there is none."""
        if self.loaded.hash is None:
            raise MesoError(
                "identity.unavailable",
                "the current generation has no identity: it could not be read as a whole",
                status=503,
                hint="`meso status` shows the generation; roll back, or switch to a whole one",
                detail={"problems": [str(problem) for problem in self.loaded.problems]},
            )
        return self.loaded.hash

    def operon(self, name: str) -> Operon:
        """One operon. Raises `identity.no_such_operon`."""
        for operon in self.loaded.operons:
            if operon.head.name == name:
                return operon
        raise MesoError(
            "identity.no_such_operon",
            f"no operon {name!r} is loaded",
            status=404,
            hint="GET /v1/operons lists those that are, and what kept others from loading",
        )

    def local(self) -> tuple[Change, ...]:
        """Files in which the instance differs from its generation."""
        return compare(self.declared.digests, self.loaded.digests)

    def match(self, situation: Situation, budget: int | None) -> tuple[Match, int]:
        """What a situation loads, and the budget that was applied (in tokens)."""
        limit = self.budget_tokens if budget is None else budget
        return self.matcher.match(situation, limit), limit

    def failed_tests(self) -> list[str]:
        """Run every operon's own tests; empty when all pass."""
        return [
            failure
            for operon in self.loaded.operons
            for failure in failed_tests(operon, self.matcher)
        ]
