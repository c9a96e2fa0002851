"""Prompts: the identity, and the knowledge that a text calls for."""

from __future__ import annotations

import mcp_types as types

from meso_services.mcp.backend import Backend
from meso_services.mcp.resources import who
from meso_services.mcp.tools import identity
from meso_services.prompt import compose

PROMPTS = (
    types.Prompt(name="identity", description="Who you are: standing orders and zooids."),
    types.Prompt(
        name="operons",
        description="The knowledge that a text calls for.",
        arguments=[
            types.PromptArgument(name="text", description="What the work is about", required=True)
        ],
    ),
)


def get(backend: Backend, name: str, arguments: dict[str, str]) -> types.GetPromptResult | None:
    """The prompt's messages, or None if there is none of that name."""
    match name:
        case "identity":
            return _said(compose.prompt(who(backend)))
        case "operons":
            wanted = identity.Asked(text=arguments.get("text", ""))
            loaded = identity.LoadedOperons.model_validate(_run(backend, wanted))
            texts = [operon.text.strip() for operon in loaded.operons]
            return _said("\n\n".join(texts) or "No operon loads for this text.")
        case _:
            return None


def _run(backend: Backend, wanted: identity.Asked) -> object:
    (spec,) = [tool for tool in identity.TOOLS if tool.name == "load_operons"]
    return spec.run(backend, wanted)


def _said(text: str) -> types.GetPromptResult:
    content = types.TextContent(type="text", text=text)
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])
