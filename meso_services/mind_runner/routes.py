"""The routes that let a mind think and answer, beside making and looking into it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path
from pydantic import ValidationError

from meso_services.contract import mind as wire
from meso_services.contract.mind import MindConfig
from meso_services.mind import changing, drafts, embedders, extract, session
from meso_services.mind.embedders import Service
from meso_services.mind.iteration import Around
from meso_services.mind.models import Client, Endpoint
from meso_services.mind.runs import Wish
from meso_services.mind.state import Mind
from meso_services.mind_runner import looking
from meso_services.mind_runner.background import Runs
from meso_services.mind_runner.minds import Minds
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.paths import Paths
from meso_services.runtime.peer import require_operator

Name = Annotated[wire.MindName, Path()]


def add(app: FastAPI, minds: Minds, runs: Runs, paths: Paths) -> None:
    """Add them."""
    _talking(app, minds)
    _running(app, minds, runs, paths)
    looking.add(app, minds, paths)


def _talking(app: FastAPI, minds: Minds) -> None:
    @app.post("/v1/minds/{name}/messages", status_code=201, responses=errors(404, 409, 507))
    def say(name: Name, request: wire.SayRequest) -> wire.SayReply:
        """Tell a mind something."""
        number = changing.say(minds.open(name), session.USER, request.to, request.text)
        return wire.SayReply(message=number)

    @app.post("/v1/minds/{name}/accept", status_code=201, responses=errors(404, 409, 507))
    def accept(name: Name, request: wire.AcceptRequest) -> wire.SayReply:
        """Accept a draft as the mind's message; the others leave."""
        return wire.SayReply(message=drafts.accept(minds.open(name), request.draft)["id"])

    @app.post("/v1/minds/{name}/extract", status_code=201, responses=errors(404, 409, 422, 507))
    def fork(name: Name, request: wire.ExtractRequest) -> wire.MindSummary:
        """A new mind out of a range of iterations."""
        source, target = minds.directory / name, minds.directory / request.name
        head = extract.extract(source, target, request.first, request.last)
        return wire.MindSummary(name=request.name, iteration=head.iteration)

    # Auditors are programs: only who may change the appliance names them.
    @app.post(
        "/v1/minds/{name}/config",
        responses=errors(403, 404, 409, 507),
        dependencies=[Depends(require_operator)],
    )
    def configure(name: Name, request: wire.ConfigRequest) -> MindConfig:
        """Set keys of a mind's configuration."""
        mind = minds.open(name)
        changing.configure(mind, _config(mind, request.set), request.set)
        return mind.config


def _config(mind: Mind, wanted: dict[str, Any]) -> MindConfig:
    document = mind.config.model_dump(mode="json") | wanted
    try:
        return MindConfig.model_validate_json(json.dumps(document))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise MesoError("mind.bad_config", f"{key}: {first['msg']}", status=422) from None


def _running(app: FastAPI, minds: Minds, runs: Runs, paths: Paths) -> None:
    def make(name: str) -> tuple[Mind, Around]:
        mind = minds.open(name)
        client = Client(Endpoint(socket=str(paths.socket("api-proxy"))))
        return mind, Around(client, embedders.choose(mind.config, client, Service(paths.run)))

    @app.post("/v1/minds/{name}/run", status_code=202, responses=errors(404, 409))
    def begin(name: Name, request: wire.RunRequest) -> wire.RunState:
        """Let a mind think, in the background."""
        runs.begin(
            name, Wish(request.iterations, request.max), lambda: make(name), debug=request.debug
        )
        return wire.RunState(state="running")

    @app.post("/v1/minds/{name}/stop", responses=errors(404))
    def stop(name: Name) -> wire.RunState:
        """End a run after the iteration that is running."""
        minds.inspect(name)
        if run := runs.get(name):
            run.stop.set()
        return _state(runs, name, 0, 0)

    @app.get("/v1/minds/{name}/run", responses=errors(404))
    def follow(name: Name, after: int = 0, shown: int = 0) -> wire.RunState:
        """The latest run of a mind, its reports after the first `after`, and what was kept of
        requests and replies after the first `shown` parts.
        """
        minds.inspect(name)
        return _state(runs, name, after, shown)


def _state(runs: Runs, name: str, after: int, seen: int) -> wire.RunState:
    run = runs.get(name)
    if run is None:
        return wire.RunState(state="none")
    # The state first: a report that is added in between is read with the next question.
    shown, count = run.state, run.count
    missed = max(0, count - len(run.reports))
    reports = run.reports[max(0, after - missed) : count - missed]
    debug = [{"what": what, "text": text} for what, text in run.debug[max(0, seen) :]]
    return wire.RunState.model_validate(
        {"state": shown, "reports": reports, "count": count, "error": run.error, "debug": debug}
    )
