"""Pieces that several platforms share: the Agent Skills form of operons, capability rows."""

from __future__ import annotations

import json
from collections.abc import Iterable

from meso_cli.adapters.base import Capability, Level, Source, Support, Whole
from meso_services.prompt import compose
from meso_services.prompt.who import Part

MOST_DESCRIPTION = 1024
THROUGH_MCP = Support(Level.APPLIANCE, "the appliance's MCP tools")
NO_APPLIANCE = "no tools of an appliance: name one with --host USER@HOST"


def skills(source: Source, directory: str) -> Iterable[Whole]:
    """Each operon as a skill: a folder that the platform lists and reads when it is called for."""
    for operon in source.who.operons:
        path = f"{directory}/meso-{operon.name}/SKILL.md"
        yield Whole(path, _skill(operon, compose.stamp(source.who)))


def _skill(operon: Part, stamp: str) -> str:
    words = f" Words: {', '.join(operon.words)}." if operon.words else ""
    description = f"{operon.description}{words}"[:MOST_DESCRIPTION]
    # JSON strings are YAML strings, whatever they hold.
    head = f"name: meso-{operon.name}\ndescription: {json.dumps(description, ensure_ascii=False)}"
    return f"---\n{head}\n---\n<!-- {stamp}, operon {operon.version} -->\n\n{operon.text.strip()}\n"


def matrix(
    own: dict[Capability, Support], fallback: Support = THROUGH_MCP
) -> dict[Capability, Support]:
    """All capabilities in their order; what a platform does not say falls back."""
    return {capability: own.get(capability, fallback) for capability in Capability}
