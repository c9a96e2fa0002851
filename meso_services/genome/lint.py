"""Everything that can be said about one operon's folder before it is used anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from meso_services.files.strict_yaml import DocumentError
from meso_services.genome import bundle
from meso_services.genome.match import Matcher, failed_tests
from meso_services.genome.models import Operon, Problem
from meso_services.genome.requires import sound


def lint(folder: Path, beside: Mapping[str, Operon] | None = None) -> tuple[Problem, ...]:
    """Problems of one operon; empty when it is sound and passes its own tests.

    With `beside` (other operons by name) its requirements are judged too.
    """
    try:
        files = bundle.read_folder(folder)
        operon = bundle.operon(folder.name, files, str(folder))
    except DocumentError as error:
        return (Problem(error.where, error.key, error.problem),)
    except OSError as error:
        return (Problem(str(folder), "", error.strerror or str(error)),)
    problems: list[Problem] = []
    if beside is not None:
        sound(tuple({**beside, operon.head.name: operon}.values()), problems)
        own = f"operons/{operon.head.name}/"
        problems = [problem for problem in problems if problem.where.startswith(own)]
    alone = Operon(
        operon.head.model_copy(update={"requires": ()}), operon.text, operon.tokens, operon.tests
    )
    where = f"{folder}/tests.yaml"
    failures = [] if problems else failed_tests(alone, Matcher((alone,)))
    return (*problems, *(Problem(where, "", failure) for failure in failures))
