"""The two APIs that the proxy speaks, each with its own words for what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meso_services.contract.common import Message
from meso_services.contract.proxy import (
    AnthropicError,
    AnthropicErrorReply,
    OpenAIError,
    OpenAIErrorReply,
)
from meso_services.runtime.errors import MesoError, standard_body

# What each API calls a status; anything else is a fault of the server.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    504: "timeout_error",
}
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error"}


@dataclass(frozen=True)
class Face:
    """One API. `kind` is that of the upstreams which speak it."""

    kind: str
    paths: tuple[str, ...]
    reply: type[Message]
    describe: Callable[[MesoError], Message]

    def body(self, error: MesoError) -> dict[str, Any]:
        """`error` in this API's own shape."""
        return self.describe(error).model_dump(mode="json")


def _words(error: MesoError) -> str:
    return f"{error.message}. {error.hint}." if error.hint else f"{error.message}."


def _anthropic(error: MesoError) -> AnthropicErrorReply:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error")
    return AnthropicErrorReply(
        error=AnthropicError(type=kind, message=_words(error), code=error.code)
    )


def _openai(error: MesoError) -> OpenAIErrorReply:
    fault = "server_error" if error.status >= 500 else "invalid_request_error"
    kind = _OPENAI_TYPES.get(error.status, fault)
    return OpenAIErrorReply(error=OpenAIError(type=kind, message=_words(error), code=error.code))


ANTHROPIC = Face("anthropic", ("/v1/messages",), AnthropicErrorReply, _anthropic)
OPENAI = Face("openai", ("/v1/chat/completions", "/v1/models"), OpenAIErrorReply, _openai)
FACES = (ANTHROPIC, OPENAI)


def error_body(error: MesoError, path: str) -> dict[str, Any]:
    """The shape that a client of `path` expects."""
    for face in FACES:
        if path in face.paths:
            return face.body(error)
    return standard_body(error, path)
