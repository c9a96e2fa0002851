"""The system prompt: a Jinja2 template of the genome, or the session's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from meso_services.mind.protocol import VERSION
from meso_services.runtime.errors import MesoError

NAME = "mind.md.j2"
# On the appliance, then in the tree of the operator's computer.
GENOMES = (Path("/meso/genome"), Path(__file__).resolve().parents[2] / "genome")


def render(directory: Path, values: dict[str, Any], genomes: Sequence[Path] = GENOMES) -> str:
    """The prompt for one iteration. Raises `mind.no_prompt` and `mind.bad_prompt`."""
    path = find(directory, genomes)
    try:
        template = _compiled(path.read_text(encoding="utf-8"))
        return template.render(version=VERSION, **values).strip() + "\n"
    except (TemplateError, OSError, ValueError) as problem:
        raise MesoError(
            "mind.bad_prompt", f"{path}: {problem}", status=409, hint="repair the template"
        ) from None


@lru_cache(8)
def _compiled(text: str) -> Template:
    # Compiling takes milliseconds, and an iteration has few of them.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(text)


def find(directory: Path, genomes: Sequence[Path] = GENOMES) -> Path:
    """The session's own template if it has one, else the genome's."""
    places = [directory / NAME, *(genome / "templates" / NAME for genome in genomes)]
    for place in places:
        if place.is_file():
            return place
    raise MesoError(
        "mind.no_prompt",
        f"there is no system prompt: none of {', '.join(map(str, places))} exists",
        status=409,
        hint=f"put templates/{NAME} into the genome, or {NAME} into the session",
    )
