"""The prompt: standing orders, zooids, and which operons there are. Equal input, equal bytes."""

from __future__ import annotations

from meso_services.prompt.who import Part, Who


def prompt(who: Who) -> str:
    """Everything that is always loaded, as one Markdown document that names its hash."""
    parts = [core(who), *(part.text.strip() for part in who.zooids), operon_list(who)]
    return "\n\n".join(part for part in parts if part) + "\n"


def core(who: Who) -> str:
    """The identity's hash and the standing orders. No comment: Claude Code takes those out."""
    return f"{stamp(who)}\n\n{who.standing_orders.strip()}"


def stamp(who: Who) -> str:
    """The line by which a copy is known: `MESO identity sha256:…`."""
    return f"MESO identity sha256:{who.hash}"


def operon_list(who: Who) -> str:
    """Which knowledge can be loaded, and by which words."""
    if not who.operons:
        return ""
    rows = [
        f"- **{o.name}** ({o.version}): {o.description} {_calls(o)}".rstrip() for o in who.operons
    ]
    head = (
        "# Operons\n\nKnowledge that loads when a text calls for it. "
        "Load one (the MCP tool `load_operons`) before you do its kind of work."
    )
    return head + "\n\n" + "\n".join(rows)


def _calls(operon: Part) -> str:
    return f"Words: {', '.join(operon.words)}." if operon.words else ""
