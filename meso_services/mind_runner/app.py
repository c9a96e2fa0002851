"""The mind runner's routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path

from meso_services.contract import mind as wire
from meso_services.mind.session import Inspection
from meso_services.mind_runner import routes
from meso_services.mind_runner.background import Runs
from meso_services.mind_runner.health import checks
from meso_services.mind_runner.minds import Minds
from meso_services.mind_runner.settings import Settings
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service


def build(context: Context[Settings]) -> FastAPI:
    """Prepare the minds' directory and serve."""
    minds: Minds = context.kept.get("minds", lambda: _prepared(context))
    app = application(context, title="MESO mind runner", checks=checks(minds))
    _add_routes(app, minds)
    runs: Runs = context.kept.get("runs", Runs, Runs.close)
    routes.add(app, minds, runs, context.paths)
    return app


SERVICE = Service("mind-runner", Settings, build)


def _prepared(context: Context[Settings]) -> Minds:
    minds = Minds(context.paths.minds)
    minds.prepare()
    return minds


def _add_routes(app: FastAPI, minds: Minds) -> None:
    @app.post("/v1/minds", status_code=201, responses=errors(409, 507))
    def create(request: wire.CreateMind) -> wire.Mind:
        """Initialise a mind. A prompt becomes the first message to it."""
        return _mind(
            request.name, minds.create(request.name, request.prompt, offline=request.offline)
        )

    @app.get("/v1/minds")
    def list_all() -> wire.MindsReply:
        """All minds, also those whose files are damaged."""
        found = tuple(
            wire.MindSummary(name=name, iteration=iteration, problem=problem)
            for name, iteration, problem in minds.list()
        )
        return wire.MindsReply(minds=found)

    @app.get("/v1/minds/{name}", responses=errors(404, 409))
    def inspect(name: Annotated[wire.MindName, Path()]) -> wire.Mind:
        """Iteration, configuration and pools of a mind."""
        return _mind(name, minds.inspect(name))


def _mind(name: str, found: Inspection) -> wire.Mind:
    active = min(found.thoughts, found.config.active_pool_size)
    return wire.Mind(
        name=name,
        iteration=found.iteration,
        config=found.config,
        thinking_pool=wire.ThinkingPool(thoughts=found.thoughts, active=active),
        message_pool=wire.MessagePool(
            messages=sum(found.messages.values()), by_source=found.messages
        ),
        clusters=found.clusters,
        interventions=found.interventions,
    )
