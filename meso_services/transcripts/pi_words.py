"""A message of the Messages API in Pi's words."""

from __future__ import annotations

from typing import Any

from meso_services.transcripts.lines import Record

Block = dict[str, Any]
STOPS = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "toolUse", "max_tokens": "length"}
# What an answer of the API has and Pi's has not.
_THE_APIS = frozenset(
    {"id", "type", "stop_reason", "stop_sequence", "stop_details", "container",
     "context_management", "diagnostics"}
)  # fmt: skip
_NOTHING: Record = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0}
_FREE: Record = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0}


def results_apart(message: Record, at: int) -> tuple[list[Record], Record | None]:
    """Tool results in a user's message as messages of their own, and what else it says."""
    content = message.get("content")
    if message.get("role") != "user" or not isinstance(content, list):
        return [], message
    results = [block for block in content if _kind(block) == "tool_result"]
    if not results:
        return [], message
    rest = [block for block in content if _kind(block) != "tool_result"]
    parts = [_result(block, at) for block in results]
    return parts, {**message, "content": rest} if rest else None


def in_pis_words(message: Record, at: int) -> Record:
    """The message with what Pi needs in it; one of Pi's own is returned as it is."""
    match message.get("role"):
        case "assistant":
            return _assistant(message, at)
        case "toolResult":
            content = message.get("content")
            given = [_text(content)] if isinstance(content, str) else content
            made = {**message, "content": given}
            return _filled(made, {"toolName": "", "isError": False, "timestamp": at})
        case "user":
            content = message.get("content")
            if isinstance(content, list):
                message = {**message, "content": [_said(block) for block in content]}
            return _filled(message, {"timestamp": at})
        case "system":
            return _filled(message, {"timestamp": at})
        case _:
            return message


def _assistant(message: Record, at: int) -> Record:
    content = message.get("content")
    blocks = [_text(content)] if isinstance(content, str) else content
    if isinstance(blocks, list):
        message = {**message, "content": [_answered(block) for block in blocks]}
    calls = any(_kind(block) == "toolCall" for block in blocks or ())
    stop = message.get("stop_reason")
    made = {name: value for name, value in message.items()
            if name not in _THE_APIS or "api" in message}  # fmt: skip
    if not isinstance(made.get("usage"), dict) or "input" not in made["usage"]:
        made["usage"] = _usage(message.get("usage"))
    return _filled(
        made,
        {
            "api": "anthropic-messages",
            "provider": "anthropic",
            "model": "unknown",
            "stopReason": STOPS.get(str(stop), "toolUse" if calls else "stop"),
            "timestamp": at,
        },
    )


def _answered(  # noqa: PLR0911 (a kind of block each)
    block: object,
) -> object:
    if not isinstance(block, dict):
        return _text(str(block))
    match block.get("type"):
        case "text" | "toolCall":
            return block
        case "thinking" if "signature" in block:
            rest = {n: v for n, v in block.items() if n != "signature"}
            return {**rest, "thinkingSignature": block["signature"]}
        case "thinking":
            return block
        case "redacted_thinking":
            return {"type": "thinking", "thinking": "", "redacted": True,
                    "thinkingSignature": block.get("data", "")}  # fmt: skip
        case "tool_use":
            given = block.get("input")
            return {"type": "toolCall", "id": str(block.get("id", "")),
                    "name": str(block.get("name", "")),
                    "arguments": given if isinstance(given, dict) else {}}  # fmt: skip
        case kind:
            return _text(f"[{kind}]")


def _said(block: object) -> object:
    if not isinstance(block, dict):
        return _text(str(block))
    source = block.get("source")
    match block.get("type"):
        case "text":
            return block
        case "image" if "data" in block:
            return block
        case "image" if isinstance(source, dict) and source.get("type") == "base64":
            return {"type": "image", "data": source.get("data", ""),
                    "mimeType": source.get("media_type", "image/png")}  # fmt: skip
        case kind:
            return _text(f"[{kind}]")


def _result(block: Block, at: int) -> Record:
    content = block.get("content")
    if isinstance(content, str):
        said: list[object] = [_text(content)]
    else:
        said = [_said(one) for one in content] if isinstance(content, list) else []
    return {
        "role": "toolResult",
        "toolCallId": str(block.get("tool_use_id", "")),
        "toolName": "",
        "content": said,
        "isError": block.get("is_error") is True,
        "timestamp": at,
    }


def _usage(found: object) -> Record:
    if not isinstance(found, dict):
        return {**_NOTHING, "cost": dict(_FREE)}
    pairs = (("input", "input_tokens"), ("output", "output_tokens"),
             ("cacheRead", "cache_read_input_tokens"),
             ("cacheWrite", "cache_creation_input_tokens"))  # fmt: skip
    counts = {pi: found.get(api) for pi, api in pairs}
    whole = {name: value if isinstance(value, int) else 0 for name, value in counts.items()}
    return {**whole, "totalTokens": sum(whole.values()), "cost": dict(_FREE)}


def _filled(message: Record, needed: Record) -> Record:
    missing = {name: value for name, value in needed.items() if name not in message}
    return {**message, **missing} if missing else message


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _kind(block: object) -> object:
    return block.get("type") if isinstance(block, dict) else None
