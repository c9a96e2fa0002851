"""Several iterations: so many, or until the mind says something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from meso_services.mind import changing, iteration
from meso_services.mind.iteration import Around, Report
from meso_services.mind.state import Mind

# Without --max, a mind that never writes a message must not run for ever.
SAFETY = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """`iterations` exactly, or (None) until a message or draft is there, at most `most`."""

    iterations: int | None = None
    most: int = SAFETY


def run(
    mind: Mind, wish: Wish, around: Around, stop: Callable[[], bool] = lambda: False
) -> Iterator[list[Report]]:
    """The reports of each iteration as it is completed. `stop` is asked between iterations.

    Raises `mind.busy`, and whatever an iteration raises; what was completed stays.
    """
    with changing.running(mind.directory):
        with changing.writing(mind):
            content = {"iterations": wish.iterations} if wish.iterations else {"max": wish.most}
            changing.log(mind, "run", content)
        for _ in range(wish.iterations or wish.most):
            if stop():
                return
            reports = _one(mind, around)
            yield reports
            if any(report.stop for report in reports):
                return
            if wish.iterations is None and any(r.messages or r.drafts for r in reports):
                return


def _one(mind: Mind, around: Around) -> list[Report]:
    number = mind.iteration
    try:
        return iteration.run(mind, around)
    except Exception as problem:
        with changing.writing(mind):
            failed = {"iteration": number, "error": str(getattr(problem, "message", problem))}
            changing.log(mind, "failed", failed)
        raise
