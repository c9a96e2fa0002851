"""The Messages API."""

from __future__ import annotations

from meso_services.api_proxy.faces.face import Action, Face
from meso_services.contract.proxy import AnthropicError, AnthropicErrorReply

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _describe(kind: str, words: str, code: str) -> AnthropicErrorReply:
    return AnthropicErrorReply(error=AnthropicError(type=kind, message=words, code=code))


ANTHROPIC = Face(
    "anthropic",
    {"/v1/messages": Action.MESSAGES, "/v1/messages/count_tokens": Action.COUNT_TOKENS},
    AnthropicErrorReply,
    _TYPES,
    _describe,
)
