"""The API proxy's routes."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from meso_services.api_proxy import upstreams
from meso_services.api_proxy.duties import add_duties, doors
from meso_services.api_proxy.faces import ANTHROPIC, FACES, OPENAI, Face, error_body
from meso_services.api_proxy.forward import Forwarder
from meso_services.api_proxy.health import checks
from meso_services.api_proxy.settings import Settings
from meso_services.contract.common import check_json
from meso_services.contract.proxy import ModelList
from meso_services.runtime.app import EVERYWHERE, answers, application
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError
from meso_services.runtime.service import Service

# The one key that the proxy itself reads; every other goes to the upstream as it came.
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model"],
                    "properties": {"model": {"type": "string", "minLength": 1}},
                }
            }
        },
    }
}


def build(context: Context[Settings]) -> FastAPI:
    """The application for one configuration; a reload makes a new one."""
    settings = context.settings
    app = application(
        context,
        title="MESO API proxy",
        checks=checks(settings, context.paths.private(context.service)),
        error_body=error_body,
        error_models=[face.reply for face in FACES],
    )
    forwarder = Forwarder(settings)

    async def ask(face: Face, request: Request) -> Response:
        body = await request.body()
        chosen = upstreams.choose(settings.upstreams, face.kind, model_of(body))
        return await forwarder.send(chosen, request, body)

    @app.post("/v1/messages", responses=_errors(ANTHROPIC), openapi_extra=_BODY)
    async def messages(request: Request) -> Response:
        """Ask a model in the words of the Messages API."""
        return await ask(ANTHROPIC, request)

    @app.post("/v1/chat/completions", responses=_errors(OPENAI), openapi_extra=_BODY)
    async def chat_completions(request: Request) -> Response:
        """Ask a model in the words of the chat completions API."""
        return await ask(OPENAI, request)

    @app.get("/v1/models", responses=_errors(OPENAI))
    async def list_models() -> ModelList:
        """List the models that the configured upstreams serve; none are invented."""
        return upstreams.models(settings.upstreams)

    add_duties(app, context)
    return app


def model_of(body: bytes) -> str:
    """The model that a request names. Raises `request.invalid`."""
    try:
        wanted: Any = json.loads(body)
        model = check_json(wanted.get("model")) if isinstance(wanted, dict) else None
    except (ValueError, RecursionError) as problem:
        raise _invalid(f"the body is not JSON: {problem}") from None
    if not isinstance(model, str) or not model:
        raise _invalid("model: the body must be an object that names a model")
    return model


def _invalid(message: str) -> MesoError:
    # 400, as both APIs answer such a request.
    return MesoError("request.invalid", message, status=400)


def _errors(face: Face) -> dict[int | str, dict[str, Any]]:
    return answers(face.reply, statuses=(*EVERYWHERE, 404, 502, 504))


SERVICE = Service("api-proxy", Settings, build, error_body, doors)
