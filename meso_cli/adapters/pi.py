"""Pi: AGENTS.md, skills, and an extension in TypeScript that speaks to the appliance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from meso_cli.adapters import parts
from meso_cli.adapters.base import Block, Capability, Level, Piece, Source, Support, Whole
from meso_services.prompt import compose

EXTENSION = Path(__file__).with_name("pi_extension.ts")
COMMAND = '["meso", "mcp"]; // the command line of the appliance'


class Pi:
    """The files that Pi reads in a project that is trusted."""

    name = "pi"
    capabilities: Mapping[Capability, Support] = MappingProxyType(
        parts.matrix(
            {
                Capability.IDENTITY: Support(Level.ADAPTER, "AGENTS.md"),
                Capability.OPERONS: Support(
                    Level.ADAPTER,
                    "skills in .pi/skills; with an appliance the extension loads by triggers",
                ),
                Capability.TOOLS: Support(
                    Level.NATIVE, "its own; the appliance's as meso_NAME by the extension"
                ),
                Capability.CUSTOM_TOOLS: Support(
                    Level.NATIVE, "its extensions; the appliance's as meso_NAME"
                ),
                Capability.SESSIONS: Support(
                    Level.NATIVE, "trees in JSONL, the form that the session manager keeps"
                ),
                Capability.BRANCHING: Support(Level.NATIVE, "/tree and /fork"),
                Capability.MERGING: Support(Level.NONE, "a tree never joins again"),
                Capability.CHECKPOINTS: Support(Level.NONE, "files are not part of its sessions"),
                Capability.COMPACTION: Support(Level.NATIVE, "its own; AGENTS.md stays outside"),
                Capability.POLICY: Support(
                    Level.APPLIANCE, "for the appliance's tools; its own tools are not bound"
                ),
            }
        )
    )

    def pieces(self, source: Source) -> tuple[Piece, ...]:
        """AGENTS.md, one skill an operon, and the extension if there is an appliance."""
        block = Block("AGENTS.md", compose.prompt(source.who))
        skills = tuple(parts.skills(source, ".pi/skills"))
        if source.host is None:
            return (block, *skills)
        return (block, *skills, Whole(".pi/extensions/meso.ts", _extension(source)))

    def missing(self, source: Source) -> tuple[str, ...]:
        """Without an appliance there are no tools and no triggers."""
        if source.host is None:
            return (parts.NO_APPLIANCE, "operons load as skills, by their description only")
        return ("Pi loads the extension only in a project that you trust (`pi --approve`)",)


def _extension(source: Source) -> str:
    text = EXTENSION.read_text()
    if COMMAND not in text:
        raise RuntimeError(f"{EXTENSION.name} lacks the line that names the appliance")
    return text.replace(COMMAND, f"{json.dumps(source.ssh('mcp'))};")
