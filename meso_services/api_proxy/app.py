"""The API proxy's routes."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from meso_services.api_proxy import models, report
from meso_services.api_proxy.buffers import Buffers
from meso_services.api_proxy.care.start import care_of
from meso_services.api_proxy.documented import document
from meso_services.api_proxy.duties import add_duties, doors, own_checks
from meso_services.api_proxy.edge import routes as edge
from meso_services.api_proxy.edge.start import courier_of
from meso_services.api_proxy.faces.face import Face
from meso_services.api_proxy.faces.openai import OPENAI
from meso_services.api_proxy.faces.table import FACES, error_body
from meso_services.api_proxy.front import Front
from meso_services.api_proxy.health import checks
from meso_services.api_proxy.listen import listeners
from meso_services.api_proxy.pipeline import Parts, Pipeline
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.connections import Connections
from meso_services.contract.proxy import Model, ModelList
from meso_services.runtime.app import EVERYWHERE, answers, application
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service


def build(context: Context[Settings]) -> ASGIApp:
    """The application for one configuration; a reload makes a new one."""
    settings = context.settings
    app = application(
        context,
        title="MESO API proxy",
        checks=[*checks(settings, context.paths.private(context.service)), *own_checks(context)],
        error_body=error_body,
        error_models=[face.reply for face in FACES],
    )
    connections = context.kept.get("connections", lambda: Connections(context.paths.run))
    buffers = context.kept.get("buffers", lambda: Buffers(settings.buffer_max))
    buffers.limit = settings.buffer_max
    pipeline = Pipeline(Parts(settings, care_of(context), connections, buffers))
    document(app)

    @app.get("/v1/models", responses=_errors(OPENAI))
    async def list_models() -> ModelList:
        """List the models that the configured upstreams serve; none are invented."""
        return models.models(settings.upstreams, settings.routes)

    @app.get("/v1/models/{model:path}", responses=_errors(OPENAI))
    async def get_model(model: str) -> Model:
        """One of the models, by its name."""
        return models.one(settings.upstreams, settings.routes, model)

    add_duties(app, context)
    report.add_routes(app, settings, care_of(context))
    courier = courier_of(context)
    edge.add_routes(app, courier)
    return Front(app, pipeline, courier)


def _errors(face: Face) -> dict[int | str, dict[str, Any]]:
    return answers(face.reply, statuses=(*EVERYWHERE, 404))


SERVICE = Service("api-proxy", Settings, build, error_body, doors, listeners)
