"""Goose: hints, and a recipe that brings the appliance as an MCP extension."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import yaml

from meso_cli.adapters import parts
from meso_cli.adapters.base import Block, Capability, Level, Piece, Source, Support, Whole
from meso_services.prompt import compose

SECONDS = 300


class Goose:
    """The files that Goose reads in a project. No real Goose has judged them."""

    name = "goose"
    capabilities: Mapping[Capability, Support] = MappingProxyType(
        parts.matrix(
            {
                Capability.IDENTITY: Support(Level.ADAPTER, ".goosehints, and the recipe"),
                Capability.OPERONS: Support(
                    Level.APPLIANCE, "the tool load_operons; without an appliance only their list"
                ),
                Capability.TOOLS: Support(
                    Level.NATIVE, "its own extensions; the appliance's by the recipe"
                ),
                Capability.SESSIONS: Support(Level.NATIVE, "its own database, linear"),
                Capability.BRANCHING: Support(Level.NONE, "MESO's entries branch over MCP"),
                Capability.MERGING: Support(Level.NONE, "not possible in its database"),
                Capability.CHECKPOINTS: Support(Level.NONE, "it has none"),
                Capability.COMPACTION: Support(Level.NATIVE, "its own; hints stay outside"),
                Capability.POLICY: Support(
                    Level.APPLIANCE, "for the appliance's tools; its own tools keep its modes"
                ),
            }
        )
    )

    def pieces(self, source: Source) -> tuple[Piece, ...]:
        """.goosehints, and with an appliance the recipe `meso-recipe.yaml`."""
        hints = Block(".goosehints", compose.prompt(source.who))
        if source.host is None:
            return (hints,)
        return (hints, Whole("meso-recipe.yaml", _recipe(source)))

    def missing(self, source: Source) -> tuple[str, ...]:
        """No hook of Goose could load operons by their triggers."""
        found = ("operons do not load by triggers: Goose has no hook before a prompt",)
        return found if source.host is not None else (parts.NO_APPLIANCE, *found)


def _recipe(source: Source) -> str:
    command, *arguments = source.ssh("mcp")
    recipe = {
        "version": "1.0.0",
        "title": "MESO",
        "description": f"An agent with the tools of a MESO appliance. {compose.stamp(source.who)}",
        "instructions": compose.prompt(source.who),
        "extensions": [
            {
                "type": "stdio",
                "name": "meso",
                "description": "The MESO appliance",
                "cmd": command,
                "args": arguments,
                "timeout": SECONDS,
            }
        ],
    }
    return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100)
