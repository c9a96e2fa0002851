"""Claude Code: CLAUDE.md, rules, skills, the MCP configuration, and a hook."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from meso_cli.adapters import parts
from meso_cli.adapters.base import (
    Block,
    Capability,
    Level,
    Member,
    Piece,
    Source,
    Support,
    Whole,
)
from meso_services.prompt import compose

HOOK_SECONDS = 15


class ClaudeCode:
    """The project files that Claude Code reads at each start."""

    name = "claude-code"
    capabilities: Mapping[Capability, Support] = MappingProxyType(
        parts.matrix(
            {
                Capability.IDENTITY: Support(
                    Level.ADAPTER, "standing orders in CLAUDE.md, zooids in .claude/rules"
                ),
                Capability.OPERONS: Support(
                    Level.ADAPTER,
                    "skills in .claude/skills; with an appliance a UserPromptSubmit hook "
                    "loads by triggers",
                ),
                Capability.TOOLS: Support(
                    Level.NATIVE, "its own; the appliance's as mcp__meso__NAME"
                ),
                Capability.CUSTOM_TOOLS: Support(
                    Level.APPLIANCE, "the appliance's custom tools over MCP"
                ),
                Capability.TASKS: Support(
                    Level.ADAPTER, "its task files: `meso adapter tasks` maps both ways"
                ),
                Capability.SESSIONS: Support(
                    Level.NATIVE,
                    "its own transcripts; `meso session import` and `export` lose nothing",
                ),
                Capability.BRANCHING: Support(
                    Level.ADAPTER,
                    "`meso adapter claude-code branch` and `switch`, at any turn; a branch is a "
                    "session file of its own",
                ),
                Capability.MERGING: Support(
                    Level.ADAPTER,
                    "`meso adapter claude-code merge` tells a branch what came of another, in a "
                    "new session; entry by entry only in MESO, after an import",
                ),
                Capability.CHECKPOINTS: Support(
                    Level.ADAPTER,
                    "`meso adapter claude-code checkpoint` and `restore` for the conversation; "
                    "its rewind misses files that commands changed, so files fall back to git or "
                    "to MESO's workspaces",
                ),
                Capability.COMPACTION: Support(
                    Level.NATIVE, "its own; the identity is read again from its files after it"
                ),
                Capability.POLICY: Support(
                    Level.APPLIANCE, "for the appliance's tools; its own tools keep its permissions"
                ),
            }
        )
    )

    def pieces(self, source: Source) -> tuple[Piece, ...]:
        """CLAUDE.md, one rule a zooid, one skill an operon, and the way to the appliance."""
        text = "\n\n".join([compose.core(source.who), compose.operon_list(source.who)])
        rules = (
            Whole(f".claude/rules/meso-{zooid.name}.md", zooid.text.strip() + "\n")
            for zooid in source.who.zooids
        )
        own: list[Piece] = [Block("CLAUDE.md", text), *rules]
        own += parts.skills(source, ".claude/skills")
        return tuple(own) if source.host is None else (*own, *_appliance(source))

    def missing(self, source: Source) -> tuple[str, ...]:
        """Without an appliance there are no tools and no triggers."""
        if source.host is not None:
            return ()
        return (parts.NO_APPLIANCE, "operons load as skills, by their description only")


def _appliance(source: Source) -> tuple[Piece, ...]:
    command, *arguments = source.ssh("mcp")
    server = {"command": command, "args": arguments}
    hook = {
        "type": "command",
        "command": source.ssh_line("adapter", "hook", "claude-code"),
        "timeout": HOOK_SECONDS,
    }
    return (
        Member(".mcp.json", ("mcpServers",), server, "meso"),
        Member(".claude/settings.json", ("hooks", "UserPromptSubmit"), {"hooks": [hook]}),
    )
