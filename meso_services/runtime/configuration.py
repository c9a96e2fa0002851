"""Read a service's settings from the generation that counts now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from meso_services.runtime.errors import MesoError
from meso_services.runtime.paths import Paths
from meso_services.runtime.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """Settings and the generation that they came from (`none` outside an appliance)."""

    settings: S
    generation: str


def load_settings(model: type[S], service: str, paths: Paths) -> Loaded[S]:
    """Read `config/<service>.json` of the active generation.

    Without any generation (development, tests) the defaults hold. A generation that lacks the
    file, and a file that does not fit the model, raise MesoError `settings.*`.
    """
    generation = paths.generation()
    if generation is None:
        return Loaded(model(), "none")
    source = generation / "config" / f"{service}.json"
    try:
        return Loaded(model.read(source), generation.name)
    except OSError as problem:
        raise MesoError(
            "settings.missing",
            f"cannot read {source}: {problem.strerror}",
            hint="render the generation again: `meso rebuild switch`",
        ) from None
    except ValidationError as problem:
        raise MesoError("settings.invalid", _explain(source, problem)) from None


def _explain(source: Path, problem: ValidationError) -> str:
    first = problem.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top level)"
    more = f" (and {problem.error_count() - 1} more)" if problem.error_count() > 1 else ""
    return f"{source}: {key}: {first['msg']}{more}"
