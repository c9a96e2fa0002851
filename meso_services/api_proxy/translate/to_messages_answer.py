"""An answer of chat completions in the words of the Messages API."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from meso_services.api_proxy.translate.to_messages_stream import MessagesStream
from meso_services.api_proxy.translate.words import TO_STOP, to_messages_usage
from meso_services.api_proxy.upstreams.plan import StreamTranslator

Object = dict[str, Any]


class MessagesAnswers:
    """Answers to one request for `model`."""

    def __init__(self, model: str) -> None:
        self._model = model

    def stream(self) -> StreamTranslator:
        return MessagesStream(self._model)

    def pieces(self, answer: Mapping[str, Any]) -> Iterator[Object]:
        """A complete answer as one chunk; the stream's other events follow from it."""
        choice = answer["choices"][0]
        message = choice["message"]
        calls = [
            {**call, "index": index} for index, call in enumerate(message.get("tool_calls") or ())
        ]
        said = {
            "index": 0,
            "delta": {**message, "tool_calls": calls},
            "finish_reason": choice.get("finish_reason") or "stop",
        }
        yield {**answer, "choices": [said]}

    def whole(self, answer: Mapping[str, Any]) -> Object:
        """A complete answer. Raises ValueError, TypeError or KeyError if it is not one."""
        choice = answer["choices"][0]
        content = list(_content(choice["message"]))
        calls = any(block["type"] == "tool_use" for block in content)
        return {
            "id": str(answer.get("id") or f"msg_{secrets.token_hex(12)}"),
            "type": "message",
            "role": "assistant",
            "model": str(answer.get("model") or self._model),
            "content": content,
            "stop_reason": stop_reason(choice.get("finish_reason"), calls),
            "stop_sequence": None,
            "usage": to_messages_usage(answer.get("usage")),
        }


def stop_reason(finish: Any, calls: bool) -> str:
    """Why it ended. Some servers say `stop` although tools are to be called."""
    return "tool_use" if calls and finish != "length" else TO_STOP.get(str(finish), "end_turn")


def _content(message: Mapping[str, Any]) -> list[Object]:
    found: list[Object] = []
    if thought := message.get("reasoning_content") or message.get("reasoning"):
        found.append({"type": "thinking", "thinking": _text(thought), "signature": ""})
    if text := message.get("content") or message.get("refusal"):
        found.append({"type": "text", "text": _text(text)})
    found += [_call(call) for call in message.get("tool_calls") or ()]
    return found


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(str(part.get("text", "")) for part in value)
    if not isinstance(value, str):
        raise TypeError("the message's content is not a text")
    return value


def _call(call: Mapping[str, Any]) -> Object:
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    # Ollama's own API gives an object here.
    given = arguments if isinstance(arguments, dict) else json.loads(arguments)
    if not isinstance(given, dict):
        raise TypeError("the arguments of a tool call are not an object")
    name = function["name"]
    if not isinstance(name, str) or not name:
        raise ValueError("a tool call without a name")
    number = str(call.get("id") or f"toolu_{secrets.token_hex(12)}")
    return {"type": "tool_use", "id": number, "name": name, "input": given}
