"""The application every service starts from: error shape, health, a complete OpenAPI document."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from meso_services.contract.common import ErrorReply, Health, HealthState, Message
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError, standard_body
from meso_services.runtime.health import Check, HealthBoard, Identity
from meso_services.runtime.limits import ErrorBody, internal_error
from meso_services.runtime.settings import ServiceSettings

# FastAPI looks whether a model is one of pydantic's old version 1, and loads all of it to see.
# None is; without this every service would start slower and hold more memory.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]

# What any route may answer besides its own: the gate and the checks of the request's form.
EVERYWHERE = (400, 408, 413, 422, 431, 500, 503)
_CODES = {404: "request.no_such_route", 405: "request.method_not_allowed"}


def answers(
    *models: type[Message], statuses: Sequence[int], description: str = ""
) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these statuses may come, with one of these models as body.

    They refer to schemas by name. FastAPI's own `model` key would compile a serializer for each
    status of each route, a third of the time that a service takes to start.
    """
    named = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    schema = named[0] if len(named) == 1 else {"anyOf": named}
    content = {"application/json": {"schema": schema}}
    return {
        status: {"description": description or HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: the error statuses of its own, in the one shape."""
    return answers(ErrorReply, statuses=statuses)


def application(
    context: Context[Any],
    *,
    title: str,
    checks: Sequence[Check] = (),
    error_body: ErrorBody = standard_body,
    error_models: Sequence[type[Message]] = (),
) -> FastAPI:
    """Make the application of one service; the service adds its routes to it.

    `error_models` are the shapes of `error_body` besides the common one. The application has
    `/healthz` and `/openapi.json`, answers every error in `error_body`'s shape, and has no
    documentation pages (they would load scripts from elsewhere).
    """
    app = FastAPI(
        title=title,
        version=context.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing is reported to anywhere, whatever is installed beside us.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        responses=errors(*EVERYWHERE),
    )
    _document(app, (ErrorReply, *error_models))
    _answer_errors(app, error_body)
    _serve_health(app, context, checks)
    return app


def _document(app: FastAPI, models: Sequence[type[Message]]) -> None:
    """Make the OpenAPI document when it is first asked for, with the schemas of `models`."""

    @functools.cache
    def openapi() -> dict[str, Any]:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in models:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
        return document

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]


def _answer_errors(app: FastAPI, error_body: ErrorBody) -> None:
    def reply(request: Request, error: MesoError) -> JSONResponse:
        request.scope["meso.code"] = error.code
        body = error_body(error, request.url.path)
        return JSONResponse(body, status_code=error.status, headers=error.headers)

    @app.exception_handler(MesoError)
    async def _known(request: Request, error: MesoError) -> JSONResponse:
        return reply(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return reply(request, invalid_request(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "request.refused")
        message = f"{request.method} {request.url.path}: {error.detail}"
        return reply(
            request,
            MesoError(code, message, status=error.status_code, headers=error.headers),
        )

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer; the gate writes it to the journal.
        return reply(request, internal_error())


def invalid_request(problems: Sequence[Any]) -> MesoError:
    """Turn pydantic's findings into our shape, without what the client sent: it may be secret."""
    found = [
        {"path": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in problems
    ]
    first = found[0] if found else {"path": "", "message": "the request does not fit"}
    return MesoError(
        "request.invalid",
        f"{first['path']}: {first['message']}",
        status=422,
        hint="GET /openapi.json describes what is accepted",
        detail={"problems": found},
    )


def _serve_health(app: FastAPI, context: Context[ServiceSettings], checks: Sequence[Check]) -> None:
    identity = Identity(context.service, context.version, context.generation)
    board = HealthBoard(identity, (*checks, *context.own_checks), context.settings.health_seconds)

    # The only 503 that is not an error reply: a failed service still says what failed.
    @app.get(
        "/healthz", response_model=Health, responses=answers(Health, ErrorReply, statuses=[503])
    )
    async def healthz(deep: bool = False) -> JSONResponse:
        """Check the service's function. `deep=1` also does real work in a reserved place."""
        health = await board.examine(deep)
        status = 503 if health.state is HealthState.FAILED else 200
        return JSONResponse(health.model_dump(mode="json", by_alias=True), status_code=status)
