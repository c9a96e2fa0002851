"""What must hold for the mind runner to do its work."""

from __future__ import annotations

from meso_services.mind_runner.minds import Minds
from meso_services.runtime.errors import MesoError
from meso_services.runtime.health import Check, Finding, in_thread


def checks(minds: Minds) -> list[Check]:
    """Every mind can be read; deep: one can be made, inspected and removed."""
    return [
        Check("minds", in_thread(lambda: _minds(minds)), required=False),
        Check("create", in_thread(lambda: _create(minds)), deep=True),
    ]


def _minds(minds: Minds) -> Finding:
    try:
        found = list(minds.list())
    except OSError as error:
        return Finding(False, f"cannot list {minds.directory}: {error.strerror}")
    problems = [problem for _, _, problem in found if problem]
    if not problems:
        return Finding(True, f"{len(found)} minds")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(False, problems[0] + more)


def _create(minds: Minds) -> Finding:
    try:
        return Finding(minds.prove())
    except MesoError as error:
        return Finding(False, error.message)
