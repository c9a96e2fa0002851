"""What both APIs say with different words: why an answer ended, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

TO_STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
TO_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def number(values: Any, name: str) -> int:
    """A count; 0 where the upstream says nothing usable."""
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def to_messages_usage(usage: Mapping[str, Any] | None) -> Object:
    """Chat completions count cached tokens among the prompt's, the Messages API beside them."""
    usage = usage or {}
    details = usage.get("prompt_tokens_details")
    read, written = number(details, "cached_tokens"), number(details, "cache_write_tokens")
    found = {
        "input_tokens": max(0, number(usage, "prompt_tokens") - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": number(usage, "completion_tokens"),
    }
    thought = number(usage.get("completion_tokens_details"), "reasoning_tokens")
    return found | ({"output_tokens_details": {"thinking_tokens": thought}} if thought else {})


def to_chat_usage(usage: Mapping[str, Any] | None) -> Object:
    """The other way round."""
    usage = usage or {}
    read = number(usage, "cache_read_input_tokens")
    written = number(usage, "cache_creation_input_tokens")
    prompt = number(usage, "input_tokens") + read + written
    output = number(usage, "output_tokens")
    thought = number(usage.get("output_tokens_details"), "thinking_tokens")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
