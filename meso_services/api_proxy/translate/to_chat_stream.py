"""A stream of the Messages API in the words of chat completions, event by event."""

from __future__ import annotations

import secrets
import time
from typing import Any

from meso_services.api_proxy.translate.request import compact, encoded
from meso_services.api_proxy.translate.words import TO_FINISH, to_chat_usage

Object = dict[str, Any]
DONE = b"data: [DONE]\n\n"


class ChatStream:
    """Events that it does not know are passed over, as that API asks of its clients."""

    def __init__(self, model: str, usage: bool) -> None:
        self._model = model
        self._wants_usage = usage
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._usage: Object = {}
        self._calls: dict[int, int] = {}
        self._empty: set[int] = set()
        self._started = self._stopped = self._ended = False

    def event(self, data: Any) -> bytes:
        """The chunks for one event. Raises ValueError, TypeError or KeyError if it is none."""
        match data["type"]:
            case "message_start":
                return self._start(data["message"])
            case "content_block_start":
                return self._block(data["index"], data["content_block"])
            case "content_block_delta":
                return self._delta(data["index"], data["delta"])
            case "content_block_stop":
                return self._block_end(data["index"])
            case "message_delta":
                return self._finish(data)
            case "message_stop":
                self._stopped = True
            case _:
                pass
        return b""

    def end(self) -> bytes:
        """The usage, if it was asked for, and the mark that closes the stream."""
        if self._ended:
            return b""
        if not self._stopped:
            raise ValueError("the stream ended before the answer did")
        self._ended = True
        if not self._wants_usage:
            return DONE
        return self._chunk([], {"usage": to_chat_usage(self._usage)}) + DONE

    def _start(self, message: Object) -> bytes:
        self._id = str(message.get("id") or self._id)
        self._model = str(message.get("model") or self._model)
        self._usage |= message.get("usage") or {}
        self._started = True
        return self._say({"role": "assistant", "content": ""})

    def _block(self, index: int, block: Object) -> bytes:
        match block["type"]:
            case "text" if block.get("text"):
                return self._say({"content": block["text"]})
            case "thinking" if block.get("thinking"):
                return self._say({"reasoning_content": block["thinking"]})
            case "tool_use":
                number = self._calls.setdefault(index, len(self._calls))
                given = compact(block["input"]) if block.get("input") else ""
                if not given:
                    self._empty.add(index)
                function = {"name": block["name"], "arguments": given}
                return self._call(
                    {"index": number, "id": block["id"], "type": "function", "function": function}
                )
            case _:
                return b""

    def _delta(self, index: int, delta: Object) -> bytes:
        match delta["type"]:
            case "text_delta":
                return self._say({"content": delta["text"]})
            case "thinking_delta":
                return self._say({"reasoning_content": delta["thinking"]})
            case "input_json_delta" if index in self._calls and delta["partial_json"]:
                self._empty.discard(index)
                return self._arguments(index, delta["partial_json"])
            case _:
                return b""

    def _block_end(self, index: int) -> bytes:
        # A tool without arguments: clients of that API parse them, and "" is no JSON.
        if index not in self._empty:
            return b""
        self._empty.discard(index)
        return self._arguments(index, "{}")

    def _finish(self, data: Object) -> bytes:
        usage = data.get("usage") or {}
        self._usage |= {name: value for name, value in usage.items() if value is not None}
        reason = data["delta"].get("stop_reason")
        if not reason:
            return b""
        choice = {"index": 0, "delta": {}, "finish_reason": TO_FINISH.get(str(reason), "stop")}
        return self._chunk([choice])

    def _arguments(self, index: int, text: str) -> bytes:
        return self._call({"index": self._calls[index], "function": {"arguments": text}})

    def _call(self, call: Object) -> bytes:
        return self._say({"tool_calls": [call]})

    def _say(self, delta: Object) -> bytes:
        if not self._started:
            raise ValueError("the stream does not begin with message_start")
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": None}])

    def _chunk(self, choices: list[Object], more: Object | None = None) -> bytes:
        chunk = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        return encoded(f"data: {compact(chunk | (more or {}))}\n\n")
