"""The identity that is served: what was read from a generation, and its matcher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_services.genome.load import Loaded, load_below
from meso_services.genome.match import Match, Matcher, failed_tests
from meso_services.genome.models import Operon
from meso_services.runtime.errors import MesoError


@dataclass(frozen=True)
class Catalog:
    """Everything read, never changed afterwards. A reload makes another one."""

    loaded: Loaded
    matcher: Matcher
    budget_tokens: int

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

    def match(self, text: str, budget: int | None) -> tuple[Match, int]:
        """What a text loads, and the budget that was applied (in tokens)."""
        limit = self.budget_tokens if budget is None else budget
        return self.matcher.match(text, limit), limit

    def failed_tests(self) -> list[str]:
        """Run every operon's own tests; empty when all pass."""
        return [
            failure
            for operon in self.loaded.operons
            for failure in failed_tests(operon, self.matcher)
        ]


def read_catalog(generation: Path | None, budget_tokens: int) -> Catalog:
    """Read the generation. Without one the catalog is empty and its hash unavailable."""
    loaded = load_below(generation or Path("/nonexistent/no-generation"))
    return Catalog(loaded, Matcher(loaded.operons), budget_tokens)
