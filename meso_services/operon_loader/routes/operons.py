"""Which operons there are and which a situation loads: `load_operons` of the protocol."""

from __future__ import annotations

from datetime import datetime

from fastapi import FastAPI

from meso_services.contract import identity as wire
from meso_services.genome.budget import Match
from meso_services.genome.show import identity as views
from meso_services.genome.situation import Situation
from meso_services.operon_loader.catalog import Catalog
from meso_services.operon_loader.holder import Holder
from meso_services.operon_loader.remote import Remote
from meso_services.operon_loader.similar import Similarity
from meso_services.operon_loader.texts import text_of, with_texts
from meso_services.runtime.app import errors


def add_routes(app: FastAPI, holder: Holder, remote: Remote, similarity: Similarity) -> None:
    """Add them to the service's application."""

    @app.get("/v1/operons")
    def operons() -> wire.OperonsReply:
        """All operons without their texts, and the problems that kept others from loading."""
        return views.operons(holder.catalog.loaded)

    @app.get("/v1/operons/{name}", responses=errors(404, 502))
    def operon(name: str) -> wire.Operon:
        """One operon with its text; that of a lazy one is brought from the registry."""
        catalog = holder.catalog
        found = catalog.operon(name)
        origin = catalog.loaded.origins.get(name, "generation")
        text = text_of(catalog, name, remote)
        return wire.Operon(**dict(views.summary(found, origin)), text=text)

    @app.post("/v1/operons/match")
    def match(request: wire.MatchRequest) -> wire.MatchReply:
        """Which operons a situation loads, and why. The same always gives the same answer."""
        found, budget, notes = _match(holder.catalog, request, similarity)
        return views.match(found, budget, notes)

    @app.post("/v1/operons/load")
    def load(request: wire.MatchRequest) -> wire.LoadReply:
        """The same, with the texts."""
        catalog = holder.catalog
        wanted, budget, notes = _match(catalog, request, similarity)
        found, texts = with_texts(catalog, wanted, remote)
        shown = tuple(
            wire.LoadedText(name=o.head.name, version=o.head.version, text=texts[o.head.name])
            for o in (choice.operon for choice in found.loaded)
        )
        return wire.LoadReply(**dict(views.match(found, budget, notes)), texts=shown)


def _match(
    catalog: Catalog, request: wire.MatchRequest, similarity: Similarity
) -> tuple[Match, int, tuple[str, ...]]:
    similar, note = similarity.judge(catalog.matcher.similar(), request.text)
    situation = Situation(
        text=request.text,
        files=request.files,
        tools=request.tools,
        tasks=request.tasks,
        now=request.now or datetime.now().astimezone(),
        similar=similar,
    )
    found, budget = catalog.match(situation, request.budget_tokens)
    return found, budget, (note,) if note else ()
