"""The operon loader's routes."""

from __future__ import annotations

from fastapi import FastAPI

from meso_services.contract import identity as wire
from meso_services.genome import match as matching
from meso_services.genome import models
from meso_services.operon_loader.catalog import Catalog, read_catalog
from meso_services.operon_loader.health import checks
from meso_services.operon_loader.settings import Settings
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service


def build(context: Context[Settings]) -> FastAPI:
    """Read the current generation and serve it until the next reload."""
    catalog = read_catalog(context.paths.generation(), context.settings.budget_tokens)
    app = application(context, title="MESO operon loader", checks=checks(catalog))
    _add_identity(app, catalog, context.generation)
    _add_operons(app, catalog)
    return app


SERVICE = Service("operon-loader", Settings, build)


def _add_identity(app: FastAPI, catalog: Catalog, generation: str) -> None:
    loaded = catalog.loaded

    @app.get("/v1/identity")
    def identity() -> wire.IdentityReply:
        """The identity hash, its parts, and the versions that it covers."""
        return wire.IdentityReply(
            hash=catalog.require_hash(),
            generation=generation,
            parts=wire.IdentityParts(**loaded.parts),
            zooid_versions={zooid.head.name: zooid.head.version for zooid in loaded.zooids},
            operon_versions={operon.head.name: operon.head.version for operon in loaded.operons},
        )

    @app.get("/v1/genome")
    def genome() -> wire.GenomeReply:
        """The standing orders, and every file of the genome with its size and SHA-256."""
        catalog.require_hash()
        files = tuple(
            wire.GenomeFile(path=file.path, size=file.size, sha256=file.sha256)
            for file in loaded.files
        )
        return wire.GenomeReply(
            hash=loaded.parts["genome"], standing_orders=loaded.standing_orders, files=files
        )

    @app.get("/v1/zooids")
    def zooids() -> wire.ZooidsReply:
        """All zooids with their texts, in the order in which they are loaded."""
        return wire.ZooidsReply(zooids=tuple(_zooid(zooid) for zooid in loaded.zooids))


def _add_operons(app: FastAPI, catalog: Catalog) -> None:
    @app.get("/v1/operons")
    def operons() -> wire.OperonsReply:
        """All operons without their texts, and the problems that kept others from loading."""
        problems = tuple(
            wire.LoadProblem(where=problem.where, key=problem.key, problem=problem.problem)
            for problem in catalog.loaded.problems
        )
        summaries = tuple(_summary(operon) for operon in catalog.loaded.operons)
        return wire.OperonsReply(operons=summaries, problems=problems)

    @app.get("/v1/operons/{name}", responses=errors(404))
    def operon(name: str) -> wire.Operon:
        """One operon with its text."""
        found = catalog.operon(name)
        return wire.Operon(**dict(_summary(found)), text=found.text)

    @app.post("/v1/operons/match")
    def match(request: wire.MatchRequest) -> wire.MatchReply:
        """Which operons a text loads, and why. The same text always gives the same answer."""
        result, budget = catalog.match(request.text, request.budget_tokens)
        return wire.MatchReply(
            loaded=tuple(_matched(choice) for choice in result.loaded),
            left_out=tuple(_matched(choice) for choice in result.left_out),
            tokens=result.tokens,
            budget_tokens=budget,
        )


def _zooid(zooid: models.Zooid) -> wire.Zooid:
    return wire.Zooid(
        name=zooid.head.name,
        version=zooid.head.version,
        description=zooid.head.description,
        tokens=zooid.tokens,
        budget_tokens=zooid.head.budget_tokens,
        text=zooid.text,
    )


def _summary(operon: models.Operon) -> wire.OperonSummary:
    head = operon.head
    return wire.OperonSummary(
        name=head.name,
        version=head.version,
        description=head.description,
        tokens=operon.tokens,
        budget_tokens=head.budget_tokens,
        capabilities=head.capabilities,
        triggers=wire.OperonTriggers(words=head.triggers.words, patterns=head.triggers.patterns),
    )


def _matched(choice: matching.Choice) -> wire.MatchedOperon:
    reasons = tuple(
        wire.MatchReason(kind=r.kind, trigger=r.trigger, found=r.found, offset=r.offset)
        for r in choice.reasons
    )
    head = choice.operon.head
    return wire.MatchedOperon(
        name=head.name, version=head.version, tokens=choice.operon.tokens, reasons=reasons
    )
