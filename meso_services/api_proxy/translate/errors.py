"""What an upstream says went wrong, in the words of the client's face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from meso_services.api_proxy.faces.face import Face
from meso_services.runtime.redact import redact

Object = dict[str, Any]
MOST_WORDS = 4000
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class UpstreamSaidError(Exception):
    """An upstream answered with an error, perhaps inside a stream or a 200."""

    def __init__(self, status: int, words: str, code: str) -> None:
        super().__init__(words)
        # It may quote the key that it was sent.
        self.status, self.words, self.code = status, redact(words[:MOST_WORDS]), code


def inside(answer: Any, status: int = 502) -> UpstreamSaidError | None:
    """The error in an answer's JSON, in whichever of the known shapes; None if there is none.

    `status` is what the error counts as if it does not say so itself.
    """
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if isinstance(error, str) and error:
        return UpstreamSaidError(status, error, "proxy.upstream_error")
    if isinstance(error, dict) and error:
        return _of(error, status)
    if answer.get("object") == "error" or answer.get("type") == "error":
        return _of(answer, status)
    return None


def _of(error: Mapping[str, Any], status: int) -> UpstreamSaidError:
    words = error.get("message")
    number = error.get("code")
    kind = str(error.get("type") or number or "")
    if isinstance(number, int) and 400 <= number <= 599:
        status = number
    elif status < 400 or status == 502:
        status = _STATUS.get(kind, 502)
    return UpstreamSaidError(
        status,
        words if isinstance(words, str) and words else json.dumps(error)[:MOST_WORDS],
        number if isinstance(number, str) and number else kind or "proxy.upstream_error",
    )


def translated(face: Face, status: int, raw: bytes) -> bytes:
    """An upstream's error answer in the shape of `face`."""
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    said = inside(answer, status)
    if said is None:
        detail = answer.get("detail") or answer.get("message") if isinstance(answer, dict) else None
        words = str(detail or f"the upstream answered with status {status}")
        said = UpstreamSaidError(status, words, "proxy.upstream_error")
    return body(face, status, said)


def body(face: Face, status: int, said: UpstreamSaidError) -> bytes:
    """An error in the shape of `face`."""
    return face.told(status, said.words, said.code).model_dump_json().encode()


def event(face: Face, status: int, words: str, code: str) -> bytes:
    """An error as an event of a stream that has begun, so that it cannot look complete."""
    data = body(face, status, UpstreamSaidError(status, words, code))
    head = b"event: error\n" if face.kind == "anthropic" else b""
    return head + b"data: " + data + b"\n\n"
