"""A request of chat completions in the words of the Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from meso_services.api_proxy.translate.request import (
    Translated,
    blocks,
    invalid,
    messages_of,
    text_of,
    tools_of,
)
from meso_services.api_proxy.translate.to_anthropic_parts import said, user_parts
from meso_services.api_proxy.upstreams.plan import UntranslatableError

Object = dict[str, Any]
# The Messages API wants a bound, chat completions do not; every current model allows this much.
DEFAULT_MAX_TOKENS = 8192
_SAID = frozenset(
    {
        *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "n", "stop"),
        *("max_tokens", "max_completion_tokens", "stream", "stream_options", "user"),
        *("safety_identifier", "reasoning_effort", "response_format", "logprobs", "store"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "metadata"),
        *("service_tier", "functions", "function_call", "audio", "modalities"),
    }
)


def messages_request(keys: Mapping[str, Any], model: str) -> Translated:
    """Translate. Raises UntranslatableError, or `request.invalid` for a wrong request."""
    _refuse(keys)
    left_out = [n for n in keys if n not in _SAID and keys[n] is not None]
    bound = keys.get("max_completion_tokens") or keys.get("max_tokens")
    request: Object = {"model": model, "max_tokens": bound or DEFAULT_MAX_TOKENS}
    if keys.get("stream"):
        request["stream"] = True
    request |= _options(keys)
    request |= _thinking(keys)
    request |= _tools(keys)
    system, messages = _conversation(keys, left_out)
    if system:
        request["system"] = system
    # Last, so that a longer conversation begins with the bytes of the shorter one.
    request["messages"] = messages
    return Translated(request, tuple(dict.fromkeys(left_out)))


def _refuse(keys: Mapping[str, Any]) -> None:
    """What would give the client another answer than the one that it can read."""
    if keys.get("n") not in (None, 1):
        raise UntranslatableError("n above 1")
    for name in ("logprobs", "functions", "audio", "web_search_options"):
        if keys.get(name):
            raise UntranslatableError(name)
    if keys.get("modalities") not in (None, ["text"]):
        raise UntranslatableError("modalities besides text")


def _options(keys: Mapping[str, Any]) -> Object:
    found: Object = {}
    stops = keys.get("stop")
    if stops:
        found["stop_sequences"] = [stops] if isinstance(stops, str) else stops
    user = keys.get("safety_identifier") or keys.get("user")
    if user:
        found["metadata"] = {"user_id": user}
    return found


def _thinking(keys: Mapping[str, Any]) -> Object:
    found: Object = {}
    config: Object = {}
    effort = keys.get("reasoning_effort")
    if effort == "none":
        found["thinking"] = {"type": "disabled"}
    elif effort is not None:
        found["thinking"] = {"type": "adaptive"}
        config["effort"] = "low" if effort == "minimal" else effort
    wanted = keys.get("response_format") or {"type": "text"}
    if not isinstance(wanted, dict):
        raise invalid("response_format: an object is expected")
    match wanted.get("type"):
        case "text":
            pass
        case "json_schema":
            inner = wanted.get("json_schema")
            schema = inner.get("schema") if isinstance(inner, dict) else None
            config["format"] = {"type": "json_schema", "schema": schema}
        case kind:
            raise UntranslatableError(f"response_format {kind}; json_schema can be said")
    return found | ({"output_config": config} if config else {})


def _tools(keys: Mapping[str, Any]) -> Object:
    tools = [_tool(tool) for tool in tools_of(keys)]
    if not tools:
        return {}
    choice = _choice(keys.get("tool_choice") or "auto")
    if keys.get("parallel_tool_calls") is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    plain = choice == {"type": "auto"}
    return {"tools": tools} | ({} if plain else {"tool_choice": choice})


def _choice(choice: Any) -> Object:
    words = {"auto": "auto", "none": "none", "required": "any"}
    if isinstance(choice, str) and choice in words:
        return {"type": words[choice]}
    if isinstance(choice, dict) and choice.get("type") == "function":
        function = choice.get("function")
        if isinstance(function, dict):
            return {"type": "tool", "name": function.get("name")}
    kind = choice.get("type") if isinstance(choice, dict) else choice
    raise UntranslatableError(f"tool_choice {kind}")


def _tool(tool: Mapping[str, Any]) -> Object:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        raise UntranslatableError(f"a tool of the type {tool.get('type')}")
    found: Object = {"name": function.get("name")}
    if function.get("description") is not None:
        found["description"] = function["description"]
    found["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is not None:
        found["strict"] = function["strict"]
    return found


def _conversation(
    keys: Mapping[str, Any], left_out: list[str]
) -> tuple[list[Object], list[Object]]:
    """The instructions before the conversation, and the conversation."""
    system: list[Object] = []
    messages: list[Object] = []
    for role, message in messages_of(keys):
        match role:
            case "system" | "developer":
                texts = [
                    {"type": "text", "text": text_of(part, "messages.content")}
                    for part in blocks(message.get("content"), "messages.content")
                ]
                if not messages:
                    system += said(texts)
                elif told := said(texts):
                    messages.append({"role": "system", "content": told})
            case "user":
                _say(messages, "user", user_parts(message))
            case "tool":
                _say(messages, "user", [_result(message)])
            case "assistant":
                _say(messages, "assistant", _assistant(message, left_out))
            case _:
                raise UntranslatableError(f"a message of the role {role}")
    return system, messages


def _say(messages: list[Object], role: str, parts: list[Object]) -> None:
    """Add to the last message if it is the same speaker's: results of parallel calls belong
    into one message, and the user's words after them."""
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += parts
    elif parts:
        messages.append({"role": role, "content": parts})


def _result(message: Mapping[str, Any]) -> Object:
    parts = [
        {"type": "text", "text": text_of(part, "messages.content")}
        for part in blocks(message.get("content"), "messages.content")
    ]
    call = message.get("tool_call_id")
    return {"type": "tool_result", "tool_use_id": call, "content": said(parts)}


def _assistant(message: Mapping[str, Any], left_out: list[str]) -> list[Object]:
    if message.get("function_call") or message.get("audio"):
        raise UntranslatableError("function_call and audio of an assistant")
    if message.get("reasoning_content") or message.get("reasoning"):
        left_out.append("thinking of earlier turns")
    parts: list[Object] = []
    for part in blocks(message.get("content"), "messages.content"):
        text = part.get("refusal") if part.get("type") == "refusal" else None
        parts.append({"type": "text", "text": text or text_of(part, "messages.content")})
    if isinstance(message.get("refusal"), str):
        parts.append({"type": "text", "text": message["refusal"]})
    return said(parts) + [_call(call) for call in message.get("tool_calls") or ()]


def _call(call: Any) -> Object:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise UntranslatableError("a tool call that is not a function's")
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (ValueError, TypeError):
        arguments = None
    if not isinstance(arguments, dict):
        raise invalid("tool_calls.function.arguments: a JSON object is expected")
    return {
        "type": "tool_use",
        "id": call.get("id"),
        "name": function.get("name"),
        "input": arguments,
    }
