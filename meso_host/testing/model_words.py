"""How the two real APIs say an answer, whole and streamed. Written from their documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

Object = dict[str, Any]
USAGE = {"input_tokens": 25, "output_tokens": 12}
CACHED = {"cache_creation_input_tokens": 5, "cache_read_input_tokens": 100}


@dataclass(frozen=True)
class Said:
    """An answer: text, tools to call, and a thought before it."""

    text: str
    calls: tuple[tuple[str, Object], ...] = ()
    thinking: str = ""


class Words(Protocol):
    """One API."""

    def whole(self, model: str, said: Said) -> Object:
        """A complete answer."""

    def stream(self, model: str, said: Said, body: Object) -> Iterator[bytes]:
        """The same as events."""


def spoken(path: str, body: Object) -> Words:
    """The API of a path."""
    if path.startswith("/v1/messages"):
        return Counting() if "count_tokens" in path else Messages(body)
    if path.startswith("/v1/embeddings"):
        return Vectors(body)
    return Chat()


class Counting:
    """`/v1/messages/count_tokens`"""

    def whole(self, model: str, said: Said) -> Object:
        return {"input_tokens": 42}

    def stream(self, model: str, said: Said, body: Object) -> Iterator[bytes]:
        raise ValueError("counting is not streamed")


class Vectors:
    """`/v1/embeddings`"""

    def __init__(self, body: Object) -> None:
        given = body.get("input", "")
        self._texts = [given] if isinstance(given, str) else given

    def whole(self, model: str, said: Said) -> Object:
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 0.5]}
            for index, text in enumerate(self._texts)
        ]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return {"object": "list", "data": data, "model": model, "usage": usage}

    def stream(self, model: str, said: Said, body: Object) -> Iterator[bytes]:
        raise ValueError("embeddings are not streamed")


class Messages:
    """`/v1/messages`"""

    def __init__(self, body: Object) -> None:
        thinking = body.get("thinking") or {}
        self._thinks = thinking.get("type") in {"enabled", "adaptive"}

    def whole(self, model: str, said: Said) -> Object:
        return {
            "id": "msg_loopback",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": self._blocks(said),
            "stop_reason": "tool_use" if said.calls else "end_turn",
            "stop_sequence": None,
            "usage": USAGE | CACHED,
        }

    def _blocks(self, said: Said) -> list[Object]:
        blocks: list[Object] = []
        if said.thinking and self._thinks:
            blocks.append({"type": "thinking", "thinking": said.thinking, "signature": "c2ln"})
        if said.text:
            blocks.append({"type": "text", "text": said.text})
        for number, (name, given) in enumerate(said.calls):
            call = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}
            blocks.append(call)
        return blocks

    def stream(self, model: str, said: Said, body: Object) -> Iterator[bytes]:
        message = self.whole(model, said)
        blocks, stop = message.pop("content"), message.pop("stop_reason")
        start = message | {"content": [], "stop_reason": None}
        start["usage"] = {"input_tokens": 25, "output_tokens": 1} | CACHED
        yield _event({"type": "message_start", "message": start})
        yield _event({"type": "ping"})
        for index, block in enumerate(blocks):
            yield from self._block(index, block)
        delta = {"stop_reason": stop, "stop_sequence": None}
        yield _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 12}})
        yield _event({"type": "message_stop"})

    def _block(self, index: int, block: Object) -> Iterator[bytes]:
        empty, deltas = _pieces(block)
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})


def _pieces(block: Object) -> tuple[Object, list[Object]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": p} for p in cut(block["text"])]
            return {"type": "text", "text": ""}, deltas
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": p} for p in cut(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case _:
            text = json.dumps(block["input"]) if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in cut(text)]
            return block | {"input": {}}, deltas


class Chat:
    """`/v1/chat/completions`"""

    def whole(self, model: str, said: Said) -> Object:
        message: Object = {"role": "assistant", "content": said.text or None, "refusal": None}
        if said.calls:
            message["tool_calls"] = [_call(n, name, g) for n, (name, g) in enumerate(said.calls)]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "tool_calls" if said.calls else "stop",
        }
        return _chat("chat.completion", model, [choice]) | {"usage": _chat_usage()}

    def stream(self, model: str, said: Said, body: Object) -> Iterator[bytes]:
        yield self._chunk(model, {"role": "assistant", "content": ""})
        for piece in cut(said.text):
            yield self._chunk(model, {"content": piece})
        for number, (name, given) in enumerate(said.calls):
            call = _call(number, name, given)
            text, call["function"]["arguments"] = call["function"]["arguments"], ""
            yield self._chunk(model, {"tool_calls": [{"index": number, **call}]})
            for piece in cut(text):
                delta = {"index": number, "function": {"arguments": piece}}
                yield self._chunk(model, {"tool_calls": [delta]})
        yield self._chunk(model, {}, "tool_calls" if said.calls else "stop")
        if (body.get("stream_options") or {}).get("include_usage"):
            last = _chat("chat.completion.chunk", model, []) | {"usage": _chat_usage()}
            yield f"data: {json.dumps(last)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    def _chunk(self, model: str, delta: Object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return f"data: {json.dumps(_chat('chat.completion.chunk', model, [choice]))}\n\n".encode()


def _chat(kind: str, model: str, choices: list[Object]) -> Object:
    return {
        "id": "chatcmpl-loopback",
        "object": kind,
        "created": 1700000000,
        "model": model,
        "choices": choices,
    }


def _chat_usage() -> Object:
    return {
        "prompt_tokens": 130,
        "completion_tokens": 12,
        "total_tokens": 142,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def _call(number: int, name: str, given: Object) -> Object:
    function = {"name": name, "arguments": json.dumps(given)}
    return {"id": f"call_{number}", "type": "function", "function": function}


def cut(text: str) -> list[str]:
    """The text in pieces, as models send it."""
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def _event(data: Object) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
