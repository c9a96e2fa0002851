"""A stream of chat completion chunks in the words of the Messages API, event by event."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from meso_services.api_proxy.translate.request import compact, encoded
from meso_services.api_proxy.translate.words import TO_STOP, to_messages_usage

Object = dict[str, Any]
# A tool call that never gets its name cannot be kept for ever.
MOST_CALLS = 256


@dataclass
class _Call:
    """A tool call as it comes in pieces. `waiting` is what was not passed on yet."""

    id: str
    name: str = ""
    waiting: list[str] = field(default_factory=list)


class MessagesStream:
    """One block is open at a time, as that API wants it.

    The pieces of the first tool call are passed on as they come. Those of further, parallel
    calls wait until it is complete: chat completions may mix them, the Messages API may not.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = self._ended = False
        self._open: str | None = None
        self._index = -1
        self._calls: dict[int, _Call] = {}
        self._latest: dict[int, int] = {}
        self._done: set[int] = set()
        self._current: int | None = None
        self._finish: str | None = None
        self._usage: Object | None = None

    def event(self, data: Any) -> bytes:
        """The events for one chunk. Raises ValueError or TypeError if it is none."""
        if not isinstance(data, dict):
            raise TypeError("a chunk is not an object")
        out = [] if self._started else [self._start(data)]
        if isinstance(data.get("usage"), dict):
            self._usage = data["usage"]
        for choice in data.get("choices") or ():
            out += self._choice(choice)
        return b"".join(out)

    def end(self) -> bytes:
        """What closes the message. Raises ValueError if it had no end."""
        if self._ended:
            return b""
        if not self._started or self._finish is None:
            raise ValueError("the stream ended before the answer did")
        self._ended = True
        out = [*self._flush(), *self._close()]
        reason = "tool_use" if self._done and self._finish != "length" else None
        delta = {"stop_reason": reason or TO_STOP.get(self._finish, "end_turn")}
        usage = to_messages_usage(self._usage)
        out.append(
            _event(
                {"type": "message_delta", "delta": delta | {"stop_sequence": None}, "usage": usage}
            )
        )
        return b"".join([*out, _event({"type": "message_stop"})])

    def _start(self, data: Object) -> bytes:
        self._started = True
        message: Object = {
            "id": str(data.get("id") or f"msg_{secrets.token_hex(12)}"),
            "type": "message",
            "role": "assistant",
            "model": str(data.get("model") or self._model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # That API counts at the end of the stream: message_delta has the figures.
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _event({"type": "message_start", "message": message})

    def _choice(self, choice: Object) -> list[bytes]:
        delta = choice.get("delta") or {}
        out: list[bytes] = []
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            out += self._say("thinking", "thinking", "thinking_delta", thought)
        if text := delta.get("content") or delta.get("refusal"):
            out += self._say("text", "text", "text_delta", text)
        for piece in delta.get("tool_calls") or ():
            out += self._piece(piece)
        if choice.get("finish_reason"):
            self._finish = str(choice["finish_reason"])
        return out

    def _say(self, kind: str, key: str, delta: str, text: Any) -> list[bytes]:
        if not isinstance(text, str):
            raise TypeError("a piece of the answer is not a text")
        out: list[bytes] = []
        if self._open != kind:
            out += [*self._flush(), *self._close()]
            block = {"type": kind, key: ""} | ({"signature": ""} if kind == "thinking" else {})
            out.append(self._begin(kind, block))
        return [*out, self._delta({"type": delta, key: text})]

    def _piece(self, piece: Object) -> list[bytes]:
        number = self._number(piece)
        call = self._calls[number]
        function = piece.get("function") or {}
        if not call.name:
            call.name = str(function.get("name") or "")
        arguments = function.get("arguments")
        if arguments:
            text = arguments if isinstance(arguments, str) else compact(arguments)
            call.waiting.append(text)
        if self._current is None and call.name and number not in self._done:
            return self._take(number)
        return self._pass_on(number) if number == self._current else []

    def _number(self, piece: Object) -> int:
        """Which call a piece belongs to. Some servers give all calls the same index, and tell
        them apart by their ids alone."""
        index = piece.get("index")
        index = index if isinstance(index, int) else 0
        given = piece.get("id")
        known = self._latest.get(index)
        if known is not None and (not given or self._calls[known].id == given):
            return known
        if len(self._calls) >= MOST_CALLS:
            raise ValueError("too many tool calls in one answer")
        number = len(self._calls)
        self._calls[number] = _Call(str(given or f"toolu_{secrets.token_hex(12)}"))
        self._latest[index] = number
        return number

    def _take(self, number: int) -> list[bytes]:
        """Open the block of a call and pass on what is there of it."""
        call, self._current = self._calls[number], number
        self._done.add(number)
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        return [*self._close(), self._begin("tool_use", block), *self._pass_on(number)]

    def _pass_on(self, number: int) -> list[bytes]:
        call = self._calls[number]
        pieces, call.waiting = call.waiting, []
        return [self._delta({"type": "input_json_delta", "partial_json": p}) for p in pieces]

    def _flush(self) -> list[bytes]:
        """The calls that waited for another one."""
        out: list[bytes] = []
        for number, call in self._calls.items():
            if number in self._done:
                if call.waiting and number != self._current:
                    raise ValueError("a tool call went on after it was complete")
                continue
            if not call.name:
                raise ValueError("a tool call without a name")
            out += self._take(number)
        self._current = None
        return out

    def _begin(self, kind: str, block: Object) -> bytes:
        self._open = kind
        self._index += 1
        return _event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: Object) -> bytes:
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        self._open = None
        return [_event({"type": "content_block_stop", "index": self._index})]


def _event(data: Object) -> bytes:
    return encoded(f"event: {data['type']}\ndata: {compact(data)}\n\n")
