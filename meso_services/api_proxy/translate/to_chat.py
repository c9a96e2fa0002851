"""A request of the Messages API in the words of chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meso_services.api_proxy.translate.request import (
    Translated,
    blocks,
    compact,
    invalid,
    messages_of,
    text_of,
    tools_of,
)
from meso_services.api_proxy.translate.to_chat_parts import tool_result, user_parts
from meso_services.api_proxy.upstreams.dialects import Dialect
from meso_services.api_proxy.upstreams.plan import UntranslatableError

Object = dict[str, Any]
MOST_STOPS = 4
# Either said otherwise below, or without meaning for the answer.
_SAID = frozenset(
    {
        *("model", "messages", "system", "tools", "tool_choice", "max_tokens", "stop_sequences"),
        *("temperature", "top_p", "top_k", "stream", "thinking", "output_config"),
        *("cache_control", "service_tier", "metadata", "diagnostics"),
    }
)
# They change what the answer is made of, not only how it is found.
_NO_WORDS = ("container", "mcp_servers")


def chat_request(keys: Mapping[str, Any], model: str, dialect: Dialect) -> Translated:
    """Translate. Raises UntranslatableError, or `request.invalid` for a wrong request."""
    for name in _NO_WORDS:
        if keys.get(name):
            raise UntranslatableError(name)
    left_out = [name for name in keys if name not in _SAID]
    request: Object = {"model": model}
    request |= _bounds(keys, dialect, left_out)
    request |= _thinking(keys, dialect)
    request |= _tools(keys, dialect, left_out)
    if keys.get("stream"):
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    # Last, so that a longer conversation begins with the bytes of the shorter one.
    request["messages"] = [*_system(keys, dialect), *_messages(keys, dialect, left_out)]
    return Translated(request, tuple(dict.fromkeys(left_out)))


def _bounds(keys: Mapping[str, Any], dialect: Dialect, left_out: list[str]) -> Object:
    found: Object = {}
    if "max_tokens" in keys:
        found[dialect.max_tokens] = keys["max_tokens"]
    found |= {name: keys[name] for name in ("temperature", "top_p") if keys.get(name) is not None}
    if keys.get("top_k") is not None:
        if dialect.max_tokens == "max_tokens":
            found["top_k"] = keys["top_k"]
        else:
            left_out.append("top_k")
    stops = keys.get("stop_sequences")
    if stops:
        if dialect.max_tokens != "max_tokens" and len(stops) > MOST_STOPS:
            raise UntranslatableError(f"more than {MOST_STOPS} stop_sequences")
        found["stop"] = stops
    return found


def _thinking(keys: Mapping[str, Any], dialect: Dialect) -> Object:
    config = keys.get("output_config") or {}
    thinking = keys.get("thinking") or {}
    if not isinstance(config, dict) or not isinstance(thinking, dict):
        raise invalid("thinking, output_config: objects are expected")
    found: Object = {}
    wanted = config.get("format")
    if isinstance(wanted, dict):
        schema = {"name": "answer", "schema": wanted.get("schema"), "strict": True}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    mode = thinking.get("type")
    effort = config.get("effort") or _effort(thinking)
    if dialect.reasoning == "template":
        if mode is not None:
            found["chat_template_kwargs"] = {"enable_thinking": mode != "disabled"}
    elif dialect.reasoning == "object":
        if mode == "disabled":
            found["reasoning"] = {"enabled": False}
        elif mode == "enabled":
            found["reasoning"] = {"max_tokens": thinking.get("budget_tokens")}
        elif effort or mode:
            found["reasoning"] = {"effort": effort} if effort else {"enabled": True}
    elif effort and mode != "disabled":
        found["reasoning_effort"] = effort
    return found


def _effort(thinking: Mapping[str, Any]) -> str | None:
    """A budget of tokens as one of the three words that every server knows."""
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int):
        return None
    return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"


def _tools(keys: Mapping[str, Any], dialect: Dialect, left_out: list[str]) -> Object:
    tools = [_tool(tool, left_out) for tool in tools_of(keys)]
    if not tools:
        return {}
    found: Object = {"tools": tools}
    choice = keys.get("tool_choice") or {"type": "auto"}
    if not isinstance(choice, dict):
        raise invalid("tool_choice: an object is expected")
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    wanted = choice.get("type")
    if wanted == "auto":
        return found
    if not dialect.tool_choice:
        raise UntranslatableError(f"tool_choice {wanted}")
    match wanted:
        case "any":
            found["tool_choice"] = "required"
        case "none":
            found["tool_choice"] = "none"
        case "tool":
            named = {"name": choice.get("name")}
            found["tool_choice"] = {"type": "function", "function": named}
        case _:
            raise UntranslatableError(f"tool_choice {wanted}")
    return found


def _tool(tool: Mapping[str, Any], left_out: list[str]) -> Object:
    if tool.get("type") not in (None, "custom"):
        raise UntranslatableError(f"the tool {tool.get('type')}")
    function: Object = {"name": tool.get("name")}
    if "description" in tool:
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema", {"type": "object"})
    if "strict" in tool:
        function["strict"] = tool["strict"]
    known = {"type", "name", "description", "input_schema", "strict", "cache_control"}
    left_out += [f"tools.{name}" for name in tool if name not in known]
    return {"type": "function", "function": function}


def _system(keys: Mapping[str, Any], dialect: Dialect) -> list[Object]:
    parts = blocks(keys.get("system"), "system")
    return [_instruction(parts, dialect)] if parts else []


def _instruction(parts: list[Mapping[str, Any]], dialect: Dialect) -> Object:
    texts = [text_of(part, "system") for part in parts]
    if dialect.cache_control:
        return {"role": "system", "content": [_marked(part) for part in parts]}
    return {"role": "system", "content": "\n\n".join(texts)}


def _marked(part: Mapping[str, Any]) -> Object:
    """A text part with its cache mark, for servers that pass it to Anthropic."""
    mark = {"cache_control": part["cache_control"]} if part.get("cache_control") else {}
    return {"type": "text", "text": part.get("text"), **mark}


def _messages(keys: Mapping[str, Any], dialect: Dialect, left_out: list[str]) -> Iterator[Object]:
    for role, message in messages_of(keys):
        parts = blocks(message.get("content"), "messages.content")
        match role:
            case "system":
                yield _instruction(parts, dialect)
            case "user":
                yield from _user(parts, dialect, left_out)
            case "assistant":
                yield _assistant(parts, left_out)
            case _:
                raise invalid(f"messages: there is no role {role}")


def _user(
    parts: list[Mapping[str, Any]], dialect: Dialect, left_out: list[str]
) -> Iterator[Object]:
    """Results of tools are messages of their own, right after the calls; the rest follows."""
    rest: list[Object] = []
    for part in parts:
        if part.get("type") == "tool_result":
            message, pictures = tool_result(part, dialect)
            yield message
            rest += pictures
    rest += user_parts([p for p in parts if p.get("type") != "tool_result"], dialect, left_out)
    if len(rest) == 1 and rest[0].keys() == {"type", "text"}:
        yield {"role": "user", "content": rest[0]["text"]}
    elif rest:
        yield {"role": "user", "content": rest}


def _assistant(parts: list[Mapping[str, Any]], left_out: list[str]) -> Object:
    texts: list[str] = []
    calls: list[Object] = []
    for part in parts:
        match part.get("type"):
            case "text":
                texts.append(text_of(part, "messages.content"))
            case "tool_use":
                function = {"name": part.get("name"), "arguments": compact(part.get("input", {}))}
                calls.append({"id": part.get("id"), "type": "function", "function": function})
            case "thinking" | "redacted_thinking":
                # Signed for the model that thought it; nothing to another one.
                left_out.append("thinking of earlier turns")
            case kind:
                raise UntranslatableError(f"a content block {kind}")
    content: Any = texts[0] if len(texts) == 1 else [{"type": "text", "text": t} for t in texts]
    # Only beside calls may it be nothing: of a turn that was thinking alone, no words are left.
    found: Object = {"role": "assistant", "content": content or (None if calls else "")}
    return found | ({"tool_calls": calls} if calls else {})
