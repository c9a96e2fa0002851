"""How OpenAI-compatible servers differ, where it matters to a translated request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dialect:
    """One server's ways.

    `max_tokens` is the key of the answer's bound. `reasoning` is how thinking is asked for:
    OpenAI's `reasoning_effort`, OpenRouter's `reasoning` object, or a switch of the chat
    template. `image_urls`: it fetches images itself. `tool_choice`: it obeys that key.
    `cache_control`: it takes the Messages API's cache marks on content parts.
    """

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    reasoning: Literal["effort", "object", "template"] = "effort"
    image_urls: bool = True
    tool_choice: bool = True
    cache_control: bool = False


DIALECTS: dict[str, Dialect] = {
    "openai": Dialect(max_tokens="max_completion_tokens"),
    "openrouter": Dialect(reasoning="object", cache_control=True),
    # Ollama takes images only inside the request, and ignores tool_choice.
    "ollama": Dialect(image_urls=False, tool_choice=False),
    "llamacpp": Dialect(reasoning="template"),
    "vllm": Dialect(reasoning="template"),
}
