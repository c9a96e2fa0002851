"""An answer of the Messages API in the words of chat completions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from meso_services.api_proxy.translate.request import compact
from meso_services.api_proxy.translate.to_chat_stream import ChatStream
from meso_services.api_proxy.translate.words import TO_FINISH, to_chat_usage
from meso_services.api_proxy.upstreams.plan import StreamTranslator

Object = dict[str, Any]


class ChatAnswers:
    """Answers to one request for `model`. `usage`: a stream ends with what it took."""

    def __init__(self, model: str, usage: bool) -> None:
        self._model, self._usage = model, usage

    def stream(self) -> StreamTranslator:
        return ChatStream(self._model, self._usage)

    def pieces(self, answer: Mapping[str, Any]) -> Iterator[Object]:
        """A complete answer as events: each block in one piece."""
        yield {"type": "message_start", "message": {**answer, "content": []}}
        for index, block in enumerate(answer["content"]):
            yield {"type": "content_block_start", "index": index, "content_block": block}
            yield {"type": "content_block_stop", "index": index}
        delta = {"stop_reason": answer.get("stop_reason") or "end_turn"}
        yield {"type": "message_delta", "delta": delta, "usage": answer.get("usage")}
        yield {"type": "message_stop"}

    def whole(self, answer: Mapping[str, Any]) -> Object:
        """A complete answer. Raises ValueError, TypeError or KeyError if it is not one."""
        if answer["type"] != "message":
            raise ValueError("the answer is not a message")
        choice = {
            "index": 0,
            "message": _message(answer["content"]),
            "logprobs": None,
            "finish_reason": TO_FINISH.get(str(answer.get("stop_reason")), "stop"),
        }
        return {
            "id": str(answer.get("id") or f"chatcmpl-{secrets.token_hex(12)}"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": str(answer.get("model") or self._model),
            "choices": [choice],
            "usage": to_chat_usage(answer.get("usage")),
        }


def _message(content: list[Object]) -> Object:
    texts, thoughts, calls = [], [], []
    for block in content:
        match block["type"]:
            case "text":
                texts.append(block["text"])
            case "thinking":
                thoughts.append(block["thinking"])
            case "tool_use":
                function = {"name": block["name"], "arguments": compact(block["input"])}
                calls.append({"id": block["id"], "type": "function", "function": function})
            case _:
                continue
    message: Object = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": None,
    }
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    return message | ({"tool_calls": calls} if calls else {})
