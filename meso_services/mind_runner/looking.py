"""The routes that look at a mind: clusters, history, analysis, pictures."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query

from meso_services.contract import mind as wire
from meso_services.mind import calibration, drafts, embedders, view
from meso_services.mind.analysis import ask, record
from meso_services.mind.embedders import Service
from meso_services.mind.models import Client, Endpoint
from meso_services.mind.plots import page, png
from meso_services.mind.plots.charts import CHARTS
from meso_services.mind_runner.minds import Minds
from meso_services.runtime.app import errors
from meso_services.runtime.paths import Paths

Name = Annotated[wire.MindName, Path()]


def add(app: FastAPI, minds: Minds, paths: Paths) -> None:
    """Add them."""
    _now(app, minds)
    _afterwards(app, minds, paths)


def _now(app: FastAPI, minds: Minds) -> None:
    @app.get("/v1/minds/{name}/pools", responses=errors(404, 409))
    def pools(name: Name) -> wire.PoolsReply:
        """The thinking pool and the message pool."""
        return wire.PoolsReply.model_validate(view.pools(minds.open(name)))

    @app.get("/v1/minds/{name}/clusters", responses=errors(404, 409))
    def clusters(name: Name) -> wire.ClustersReply:
        """All clusters of a mind."""
        return wire.ClustersReply(clusters=tuple(view.cluster_rows(minds.open(name))))

    @app.get("/v1/minds/{name}/clusters/{cluster}", responses=errors(404, 409))
    def members(name: Name, cluster: str) -> wire.MembersReply:
        """The members of a cluster."""
        return wire.MembersReply(members=tuple(view.members(minds.open(name), cluster)))

    @app.post("/v1/minds/{name}/clusters/{cluster}/split", responses=errors(404, 409, 507))
    def split(name: Name, cluster: str, request: wire.SplitRequest) -> wire.SplitReply:
        """Divide a cluster that fell apart."""
        made = view.split(minds.open(name), cluster, dry_run=request.dry_run)
        return wire.SplitReply(clusters=tuple(made))

    @app.get("/v1/minds/{name}/history", responses=errors(404, 409))
    def history(name: Name, limit: int = 100) -> wire.HistoryReply:
        """Messages and interventions."""
        most = max(1, min(limit, 1000))
        return wire.HistoryReply(history=tuple(view.history(minds.open(name), most)))

    @app.get("/v1/minds/{name}/drafts", responses=errors(404, 409))
    def waiting(name: Name, archive: bool = False) -> wire.DraftsReply:
        """The drafts that wait for the user; with `archive` those that were not accepted."""
        mind = minds.open(name)
        found = drafts.archived(mind) if archive else drafts.pending(mind)
        return wire.DraftsReply(drafts=tuple(found))


def _afterwards(app: FastAPI, minds: Minds, paths: Paths) -> None:
    @app.get("/v1/minds/{name}/analysis/{what}", responses=errors(404, 409, 422))
    def analysis(
        name: Name, what: wire.Analysis, given: Annotated[wire.AnalysisQuery, Query()]
    ) -> wire.AnalysisReply:
        """What happened in a mind."""
        place = minds.directory / name
        config = minds.inspect(name).config
        client = Client(Endpoint(socket=str(paths.socket("api-proxy"))))
        embedder = embedders.choose(config, client, Service(paths.run)) if given.embed else None
        answer: Any = ask.ask(
            place,
            what,
            given.model_dump(exclude={"other", "embed"}),
            other=minds.directory / given.other if given.other else None,
            embed=embedder.embed if embedder else None,
        )
        rows = isinstance(answer, list)
        return wire.AnalysisReply(rows=rows, answer=tuple(answer if rows else [answer]))

    # `def`, as all of these: embedding takes a while and must not hold the event loop.
    @app.post("/v1/minds/{name}/calibrate", responses=errors(404, 409, 422, 502, 503))
    def calibrate(name: Name, request: wire.CalibrateRequest) -> wire.CalibrateReply:
        """Measure the match threshold that fits an embedding model. Nothing is changed."""
        config = minds.inspect(name).config
        texts = calibration.checked(request.texts, "texts") if request.texts else calibration.own()
        client = Client(Endpoint(socket=str(paths.socket("api-proxy"))))
        model = request.model or config.embedding_model
        embedder = embedders.measuring(model, client, Service(paths.run))
        now = config.centroid_match_threshold
        return wire.CalibrateReply(answer=calibration.explained(embedder, texts, model, now))

    @app.get("/v1/minds/{name}/plot", responses=errors(404, 409))
    def plot(name: Name, png_too: bool = True) -> wire.PlotReply:
        """Pictures of a mind: a page that needs nothing else, and PNG files."""
        minds.inspect(name)
        held = record.load(minds.directory / name)
        scenes = page.scenes(held, CHARTS)
        drawn = {scene.name: png.draw(scene) for scene in scenes} if png_too else {}
        pictures = {one: base64.b64encode(data).decode() for one, data in drawn.items()}
        return wire.PlotReply(page=page.draw(held, scenes), pictures=pictures)
