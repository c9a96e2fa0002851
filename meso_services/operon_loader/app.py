"""The operon loader's application."""

from __future__ import annotations

import threading

from fastapi import FastAPI

from meso_services.operon_loader.health import checks
from meso_services.operon_loader.holder import Holder, Source
from meso_services.operon_loader.remote import Remote
from meso_services.operon_loader.routes import changes, identity, operons, zooids
from meso_services.operon_loader.settings import Settings
from meso_services.operon_loader.similar import Similarity
from meso_services.runtime.app import application
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service


def build(context: Context[Settings]) -> FastAPI:
    """Read the generation and the instance's own parts; serve them until the next reload."""
    # A reload makes another holder while requests still run on the old one.
    lock = context.kept.get("identity", threading.Lock)
    holder = Holder(Source.of(context.paths, context.settings.budget_tokens), lock)
    paths, settings = context.paths, context.settings
    remote = Remote(settings.registry, paths.operons, paths.run)
    similarity = Similarity(paths.run, settings.similarity_seconds)
    app = application(context, title="MESO operon loader", checks=checks(holder, remote))
    identity.add_routes(app, holder, context.generation)
    zooids.add_routes(app, holder)
    operons.add_routes(app, holder, remote, similarity)
    changes.add_routes(app, holder, remote)
    return app


SERVICE = Service("operon-loader", Settings, build)
