"""The kinds of upstream, one row each. To add a kind: write its module, add its row."""

from __future__ import annotations

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.upstreams import anthropic, embed, openai
from meso_services.api_proxy.upstreams.plan import Kind

KINDS: dict[str, Kind] = {
    "anthropic": anthropic.KIND,
    "openai": openai.KIND,
    "embed": embed.KIND,
}
# An edge node takes commands (see `edge`), never a request to a model.


def serves(kind: str, action: Action) -> bool:
    """True if an upstream of that kind can answer `action`, translated or not."""
    return kind in KINDS and action in KINDS[kind].actions


def speaks(kind: str, action: Action) -> bool:
    """True if it answers `action` in its own words: nothing has to be translated."""
    return kind in KINDS and action in KINDS[kind].native
