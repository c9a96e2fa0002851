"""The official SDKs' own types as judges of what the proxy makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParams
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_MESSAGES: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
_CHAT: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)


def _whole(value: Any) -> Any:
    """Walk through everything: pydantic checks an Iterable only as it is read."""
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    if hasattr(value, "__iter__"):
        return [_whole(inner) for inner in value]
    return value


def messages_request(body: dict[str, Any]) -> None:
    """Raises unless `body` is a request of the Messages API."""
    _whole(_MESSAGES.validate_python(body))


def chat_request(body: dict[str, Any]) -> None:
    """Raises unless `body` is a request of chat completions."""
    _whole(_CHAT.validate_python(body))


def message(body: Any) -> Message:
    return Message.model_validate(body)


def completion(body: Any) -> ChatCompletion:
    return ChatCompletion.model_validate(body)


def events(stream: bytes) -> list[Any]:
    """The Messages API's events of a stream, each of them validated; names agree with types."""
    found = []
    for event in stream.decode().split("\n\n"):
        if not event:
            continue
        name, data = event.split("\n")
        parsed = json.loads(data.removeprefix("data: "))
        assert name == f"event: {parsed['type']}"
        found.append(_EVENT.validate_python(parsed))
    return found


def chunks(stream: bytes) -> Iterator[ChatCompletionChunk]:
    """Chat completion chunks, each validated, closed by the mark."""
    *pieces, last, nothing = stream.decode().split("\n\n")
    assert (last, nothing) == ("data: [DONE]", "")
    for piece in pieces:
        yield ChatCompletionChunk.model_validate_json(piece.removeprefix("data: "))
