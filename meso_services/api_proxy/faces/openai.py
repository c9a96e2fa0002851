"""The chat completions API, embeddings, and what is only passed on in its words."""

from __future__ import annotations

from meso_services.api_proxy.faces.face import Action, Face
from meso_services.contract.proxy import OpenAIError, OpenAIErrorReply

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_exceeded",
    500: "server_error",
}


def _describe(kind: str, words: str, code: str) -> OpenAIErrorReply:
    return OpenAIErrorReply(error=OpenAIError(type=kind, message=words, code=code))


OPENAI = Face(
    "openai",
    {
        "/v1/chat/completions": Action.CHAT,
        "/v1/embeddings": Action.EMBEDDINGS,
        "/v1/responses": Action.RESPONSES,
        "/v1/completions": Action.COMPLETIONS,
    },
    OpenAIErrorReply,
    _TYPES,
    _describe,
)
