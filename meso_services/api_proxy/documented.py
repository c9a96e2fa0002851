"""The pipeline's paths in the OpenAPI document. They are served beside the framework."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from meso_services.api_proxy.faces.face import Action, Face
from meso_services.api_proxy.faces.table import ASKING
from meso_services.runtime.app import EVERYWHERE, answers

# The one key that the proxy itself needs; every other goes to the upstream as it came.
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model"],
                    "properties": {
                        "model": {"type": "string", "minLength": 1},
                        "stream": {"type": "boolean"},
                    },
                }
            }
        },
    }
}
_STATUSES = (*EVERYWHERE, 401, 402, 403, 404, 429, 502, 504)
_WORDS = {
    Action.MESSAGES: "Ask a model in the words of the Messages API.",
    Action.COUNT_TOKENS: "Count the tokens of a request in the words of the Messages API.",
    Action.CHAT: "Ask a model in the words of the chat completions API.",
    Action.EMBEDDINGS: "Turn texts into vectors in the words of the embeddings API.",
    Action.RESPONSES: "Pass a request of the responses API to an upstream that speaks it.",
    Action.COMPLETIONS: "Pass a request of the old completions API to an upstream that speaks it.",
}


def document(app: FastAPI) -> None:
    """Declare them."""
    for path, (face, action) in ASKING.items():
        app.add_api_route(
            path,
            _elsewhere,
            methods=["POST"],
            responses=_errors(face),
            openapi_extra=_BODY,
            name=action.value,
            description=_WORDS[action],
        )


async def _elsewhere() -> Response:
    raise RuntimeError("the pipeline serves this path")


def _errors(face: Face) -> dict[int | str, dict[str, Any]]:
    return answers(face.reply, statuses=_STATUSES)
