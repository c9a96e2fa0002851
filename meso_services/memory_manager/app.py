"""The memory manager's routes."""

from __future__ import annotations

from fastapi import FastAPI

from meso_services.memory_manager.acts import Acts
from meso_services.memory_manager.health import checks
from meso_services.memory_manager.purging import Purging
from meso_services.memory_manager.restoring import Restoring
from meso_services.memory_manager.routes import add_memories
from meso_services.memory_manager.routes_acts import add_acts
from meso_services.memory_manager.routes_files import add_files
from meso_services.memory_manager.routes_restoring import add_restoring
from meso_services.memory_manager.settings import Settings
from meso_services.memory_manager.store import MemoryStore
from meso_services.memory_manager.syncing import Syncing
from meso_services.memory_manager.themes import add_themes
from meso_services.runtime.app import application
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service


def build(context: Context[Settings]) -> FastAPI:
    """Open the memories and serve them. The open store survives a reload."""
    settings = context.settings
    # First: it finishes a restore that a crash interrupted.
    restoring = context.kept.get("restoring", lambda: Restoring(context.paths.memory))
    store = context.kept.get("store", lambda: _opened(context), MemoryStore.close)
    restoring.purged = store.purged_hashes
    store.configure(settings)
    app = application(context, title="MESO memory manager", checks=checks(store))
    acts = Acts(store)
    add_memories(app, store)
    add_files(app, store, acts)
    purging = Purging(store, context.paths.run)
    purging.finish()
    syncing = Syncing(store, purging)
    store.incoming = syncing.take_incoming
    add_acts(app, store, acts, purging, syncing)
    add_themes(app, store)
    add_restoring(app, restoring, store)
    return app


def _opened(context: Context[Settings]) -> MemoryStore:
    store = MemoryStore(context.paths.memory, context.settings, context.paths.run)
    store.start()
    return store


SERVICE = Service("memory-manager", Settings, build)
